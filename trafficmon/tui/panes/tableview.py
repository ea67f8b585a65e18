# SPDX-License-Identifier: MIT
"""A table that is read again and again, and stays where the user is in it."""

from __future__ import annotations

from trafficmon.render.columns import Column
from trafficmon.render.shown import COLUMNS
from trafficmon.tables.catalogue import TableQuery
from trafficmon.tables.table import Record
from trafficmon.tui.panes.cells import cell, columns_of, fitting, label_cell, widest
from trafficmon.tui.panes.grid import Head
from trafficmon.tui.panes.pane import Look, Question, TableOptions
from trafficmon.tui.panes.rowspane import RowsPane
from trafficmon.tui.readings.rows import Rows, read_rows

_PAGE, _MOST_ROWS = 50, 10_000
_SCROLL_BAR = 2
_MATCHES_NONE = "nothing matches the filter; Esc takes it away"
_NOTHING_YET = "nothing yet"
_EMPTY = {
    "dns": "no DNS messages were seen yet",
    "drops": "the kernel has dropped nothing",
    "flows": "no packets have passed yet",
}
_SORTED = {False: " ▾", True: " ▴"}


class TableView(RowsPane):
    """Shows Rows of ``table``; in their place a message where there is something to say."""

    def __init__(self, table: str) -> None:
        super().__init__(table)
        self.shown: Rows | None = None
        self._columns: list[Column] = []
        self._widths: dict[str, int] = {}

    def question(self, options: TableOptions) -> Question:
        """As many rows as are on the screen, and some to scroll to."""
        count = min(_MOST_ROWS, _PAGE * (self.grid.last_seen_row // _PAGE + 2))
        query = TableQuery(
            self.table, count, options.sort, options.reverse, options.expression, by_rate=True
        )
        return lambda session: read_rows(session, query)

    def say(self, message: str) -> None:
        """In the place of the rows."""
        self.shown = None
        self._tell(message, above_rows=False)

    def show(self, seen: Rows, look: Look) -> str:
        """Replace what is shown; the cursor stays with its row where that is still there."""
        if not seen.records:
            self.say(_MATCHES_NONE if seen.length else _EMPTY.get(self.table, _NOTHING_YET))
            return self._summary(seen)
        self._tell("", above_rows=True)
        key = self.chosen_key()
        self.shown = seen
        columns = columns_of(self.table, totals=look.totals)
        cells = [[cell(record, c, bits=look.bits) for c in columns] for record in seen.records]
        for row, label in zip(cells, seen.labels or [], strict=False):
            row[0] = label_cell(label)
        needed = self._no_narrower(columns, widest(columns, cells, seen.sorted_by))
        room = (self.size.width or self.app.size.width) - _SCROLL_BAR
        places = fitting(columns, needed, room)
        self._columns = [columns[place] for place in places]
        heads = [self._head(column, seen) for column in self._columns]
        cursor = seen.keys.index(key) if key in seen.keys else self.grid.cursor_row
        self.grid.load(heads, [[row[place] for place in places] for row in cells], cursor)
        return self._summary(seen)

    def _head(self, column: Column, seen: Rows) -> Head:
        mark = _SORTED[seen.is_reversed] if column.name == seen.sorted_by else ""
        width = self._widths[column.name]
        return Head(column.name, column.title + mark, width, column.align)

    def _no_narrower(self, columns: list[Column], needed: list[int]) -> list[int]:
        """Than they were: columns that move at each reading cannot be read."""
        if any(column.name not in self._widths for column in columns):
            self._widths.clear()
        for column, width in zip(columns, needed, strict=True):
            self._widths[column.name] = max(width, self._widths.get(column.name, 0))
        return [self._widths[column.name] for column in columns]

    def on_grid_near_end(self) -> None:
        """More rows than were read, if there are more."""
        if self.shown is not None and len(self.shown.records) < self.shown.matched:
            self.app.action_look_again()  # type: ignore[attr-defined]

    @staticmethod
    def _summary(seen: Rows) -> str:
        summary = f"{len(seen.records):,} of {seen.matched:,}"
        if seen.matched != seen.length:
            summary += f" that match, of {seen.length:,}"
        return f"{summary}, by {seen.sorted_by}"

    def chosen_key(self) -> str:
        """Of the row under the cursor, or empty."""
        keys = self.shown.keys if self.shown is not None else []
        place = self.grid.cursor_row
        return keys[place] if place in range(len(keys)) else ""

    def records(self) -> list[Record]:
        """What is shown, and what was read to be scrolled to."""
        return self.shown.records if self.shown is not None else []

    def sortable(self) -> list[str]:
        """Names of the columns, in their order."""
        return [column.name for column in self._columns or COLUMNS[self.table]]
