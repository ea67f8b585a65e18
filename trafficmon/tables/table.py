# SPDX-License-Identifier: MIT
"""A table: columns as arrays, rows told as records only when they are wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from trafficmon.errors import UsageError
from trafficmon.filter.columns import FilterColumns
from trafficmon.model.attachment import Epoch
from trafficmon.suggest import closest

Array: TypeAlias = NDArray[Any]
Record: TypeAlias = dict[str, Any]

_AT_ONCE = 2048


@dataclass(frozen=True)
class Table:
    """``length`` rows.

    ``fields``: the record's fields, in order. ``sort_keys``: what makes the array to sort by, by
    field; numbers are sorted largest first. ``record``: one row as the contract has it;
    ``records``: several, where each costs less then.
    ``filter_columns``: made when there is an expression. ``identity``: a 64-bit number a row
    that stays the same from one reading to the next. ``rated``: the bytes that rates are made of,
    by direction, "rx" and "tx", or "both" where a table has no directions; NaN where nothing
    counts them. ``read_at_s``: when they were read (CLOCK_MONOTONIC), where that is known.
    ``epoch``: for how long its counters grow. ``notes``: what is missing from the rows, for people.
    """

    name: str
    fields: tuple[str, ...]
    length: int
    sort_keys: Mapping[str, Callable[[], Array]]
    default_sort: str
    record: Callable[[int], Record]
    filter_columns: Callable[[], FilterColumns]
    identity: Callable[[], NDArray[np.uint64]]
    rated: Mapping[str, Callable[[], Array]] = field(default_factory=dict)
    read_at_s: float | None = None
    epoch: Epoch | None = None
    notes: tuple[str, ...] = ()
    extra: Mapping[str, Array] = field(default_factory=dict)  # rates, in watch mode
    records: Callable[[Array], list[Record]] | None = None

    def stream(self, rows: Array) -> Iterator[Record]:
        """The records of ``rows``, made as they are taken: there may be a million."""
        if self.records is None:
            yield from map(self.record, rows.tolist())
            return
        for begin in range(0, len(rows), _AT_ONCE):
            yield from self.records(rows[begin : begin + _AT_ONCE])


def choose_rows(
    table: Table, mask: NDArray[np.bool_] | None, sort: str | None, count: int | None
) -> list[int]:
    """As chosen(), as numbers."""
    return [int(row) for row in chosen(table, mask, sort, count)]


def chosen(
    table: Table, mask: NDArray[np.bool_] | None, sort: str | None, count: int | None
) -> NDArray[np.intp]:
    """The indexes of the rows to show: filtered, sorted, cut. ``count`` None: all.

    ``sort`` is a field, with a leading "-" for the other way round; ties keep the table's order.
    UsageError when there is no such field.
    """
    rows = np.arange(table.length) if mask is None else np.flatnonzero(mask)
    name, reverse = (sort or table.default_sort).removeprefix("-"), (sort or "").startswith("-")
    key = _sort_array(table, name)[rows]
    numeric = key.dtype.kind in "iuf"
    largest_first = numeric != reverse
    if numeric and count is not None and count < len(rows):
        rows, key = _part(rows, key, count, largest_first=largest_first)
    order = _descending_order(key) if largest_first else np.argsort(key, kind="stable")
    return rows[order if count is None else order[:count]]


def _sort_array(table: Table, name: str) -> Array:
    if name in table.extra:
        return table.extra[name]
    if name in table.sort_keys:
        return table.sort_keys[name]()
    known = sorted({*table.sort_keys, *table.extra})
    close = closest(name, known)
    hint = f"; did you mean {close}?" if close else ""
    raise UsageError(f"{table.name} cannot be sorted by {name!r}; by: {', '.join(known)}{hint}")


def _part(rows: Array, key: Array, count: int, *, largest_first: bool) -> tuple[Array, Array]:
    """The ``count`` first of the order, without sorting all: ties at the border stay together."""
    if count <= 0:
        return rows[:0], key[:0]
    if largest_first:
        border = np.partition(key, len(key) - count)[len(key) - count]
        near = key >= border
    else:
        border = np.partition(key, count - 1)[count - 1]
        near = key <= border
    return rows[near], key[near]


def _descending_order(key: Array) -> Array:
    """What argsort is ascending; ties keep their places here too."""
    return len(key) - 1 - np.argsort(key[::-1], kind="stable")[::-1]


def by_direction(sort_keys: Mapping[str, Callable[[], Array]]) -> dict[str, Callable[[], Array]]:
    """``rated`` of a table that can be sorted by rx_bytes and tx_bytes."""
    return {side: sort_keys[f"{side}_bytes"] for side in ("rx", "tx")}


def or_nan(values: list[int | None]) -> Array:
    """Counters as numbers; NaN for null."""
    return np.array([np.nan if value is None else value for value in values], float)


def as_text(values: list[str]) -> Array:
    """Strings to sort by."""
    return np.array(values, dtype=object).astype(str) if values else np.zeros(0, "U1")
