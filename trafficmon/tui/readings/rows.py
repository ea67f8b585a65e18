# SPDX-License-Identifier: MIT
"""A table as it is shown: filtered, sorted, cut."""

from __future__ import annotations

from dataclasses import dataclass

from trafficmon.errors import UsageError
from trafficmon.filter.evaluate import matches
from trafficmon.filter.nodes import Expression
from trafficmon.tables.table import Record, Table, choose_rows
from trafficmon.tui.readings.session import Session


@dataclass(frozen=True)
class Wish:
    """What to show of a table. ``sort`` None: by what goes on now."""

    table: str
    count: int
    sort: str | None = None
    reverse: bool = False
    expression: Expression | None = None


@dataclass(frozen=True)
class Rows:
    """``keys`` tell rows again in the next reading; ``labels`` stand in the first column's place.

    ``matched`` of ``length`` rows match the expression; ``records`` may be fewer still.
    """

    sorted_by: str
    is_reversed: bool
    records: list[Record]
    keys: list[str]
    matched: int
    length: int
    labels: list[str] | None = None


def read_rows(session: Session, wish: Wish) -> Rows:
    """UsageError where the table cannot be sorted by that, FilterError where not asked that."""
    table = session.with_rates(session.read(wish.table), wish.table)
    mask = None
    if wish.expression is not None:
        mask = matches(wish.expression, table.filter_columns())
    sort = sort_of(table, wish)
    chosen = choose_rows(table, mask, f"-{sort}" if wish.reverse else sort, wish.count)
    identity = table.identity()
    return Rows(
        sort,
        wish.reverse,
        [table.record(row) for row in chosen],
        [str(int(identity[row])) for row in chosen],
        table.length if mask is None else int(mask.sum()),
        table.length,
    )


def sort_of(table: Table, wish: Wish) -> str:
    """What is wished; else what goes on now, and where nothing does, the table's own order."""
    if wish.sort is None:
        return "rate" if table.extra["rate"].any() else table.default_sort
    if wish.sort not in table.sort_keys and wish.sort not in table.extra:
        raise UsageError(f"{wish.table} cannot be sorted by {wish.sort}")
    return wish.sort
