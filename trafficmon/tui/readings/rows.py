# SPDX-License-Identifier: MIT
"""A table as it is shown: filtered, sorted, cut."""

from __future__ import annotations

from dataclasses import dataclass

from trafficmon.errors import UsageError
from trafficmon.tables.catalogue import TableQuery
from trafficmon.tables.query import select
from trafficmon.tables.table import Record, Table
from trafficmon.tui.readings.session import Session


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


def read_rows(session: Session, query: TableQuery) -> Rows:
    """UsageError where the table cannot be sorted by that, FilterError where not filtered so."""
    table = session.with_rates(session.read(query.table), query.table)
    require_sort(table, query)
    selection, identity = select(table, query), table.identity()
    return Rows(
        selection.sorted_by,
        query.reverse,
        [table.record(row) for row in selection.rows.tolist()],
        [str(number) for number in identity[selection.rows].tolist()],
        selection.matched,
        table.length,
    )


def require_sort(table: Table, query: TableQuery) -> None:
    """UsageError, short enough for one line of the dashboard."""
    if query.sort is not None and not (query.sort in table.sort_keys or query.sort in table.extra):
        raise UsageError(f"{query.table} cannot be sorted by {query.sort}")
