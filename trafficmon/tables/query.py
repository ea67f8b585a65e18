# SPDX-License-Identifier: MIT
"""Rows of a table, filtered, sorted and cut: the one way for all that show tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trafficmon.errors import UsageError
from trafficmon.suggest import closest
from trafficmon.tables.catalogue import TableQuery
from trafficmon.tables.table import Array, Table

if TYPE_CHECKING:
    from trafficmon.filter.nodes import Expression


class Selection(NamedTuple):
    """``rows``: indexes, in order; ``matched``: how many match the expression."""

    rows: NDArray[np.intp]
    sorted_by: str
    matched: int


def select(table: Table, query: TableQuery) -> Selection:
    """UsageError for a field that is not there, FilterError for one that cannot be filtered by."""
    mask, sort = matching(table, query.expression), sort_of(table, query)
    rows = chosen(table, mask, f"-{sort}" if query.reverse else sort, query.limit)
    return Selection(rows, sort, table.length if mask is None else int(mask.sum()))


def matching(table: Table, expression: Expression | None) -> NDArray[np.bool_] | None:
    """Which rows match; None without an expression."""
    if expression is None:
        return None
    from trafficmon.filter.evaluate import matches  # noqa: PLC0415 - most commands have no filter

    return matches(expression, table.filter_columns())


def sort_of(table: Table, query: TableQuery) -> str:
    """The field that the query sorts by."""
    if query.sort is not None:
        return query.sort
    has_rates = query.by_rate and table.extra and bool(table.extra["rate"].any())
    return "rate" if has_rates else table.default_sort


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
