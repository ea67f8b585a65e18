# SPDX-License-Identifier: MIT
"""A table: columns as arrays, rows as records only when they are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from trafficmon.filter.columns import FilterColumns
from trafficmon.model.attachment import Epoch

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


def by_direction(sort_keys: Mapping[str, Callable[[], Array]]) -> dict[str, Callable[[], Array]]:
    """``rated`` of a table that can be sorted by rx_bytes and tx_bytes."""
    return {side: sort_keys[f"{side}_bytes"] for side in ("rx", "tx")}


def or_nan(values: list[int | None]) -> Array:
    """Counters as numbers; NaN for null."""
    return np.array([np.nan if value is None else value for value in values], float)


def as_text(values: list[str]) -> Array:
    """Strings to sort by."""
    return np.array(values, dtype=object).astype(str) if values else np.zeros(0, "U1")


def object_column(values: Sequence[str | None]) -> Array:
    """Strings for filters, None for null."""
    column = np.empty(len(values), object)
    column[:] = values
    return column
