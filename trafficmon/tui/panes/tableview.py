# SPDX-License-Identifier: MIT
"""A table that is read again and again, and stays where the user is in it."""

from __future__ import annotations

from typing import Any

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import DataTable, Static

from trafficmon.render.columns import Column
from trafficmon.render.safe import escape_controls
from trafficmon.render.shown import COLUMNS
from trafficmon.tables.table import Record
from trafficmon.tui.panes.cells import cell, columns_of, fitting, label_cell, widest
from trafficmon.tui.panes.pane import Asked, Look, Question
from trafficmon.tui.readings.rows import Rows, Wish, read_rows

_MOST_ROWS = 500
_SCROLL_BAR = 2
_MATCHES_NONE = "nothing matches the filter; Esc takes it away"
_NOTHING_YET = "nothing yet"
_EMPTY = {
    "dns": "no DNS messages were seen yet",
    "drops": "the kernel has dropped nothing",
    "flows": "no packets have passed yet",
}
_SORTED = {False: " ▾", True: " ▴"}


class TableView(Vertical):
    """Shows Rows of ``table``; in their place a message where there is something to say."""

    def __init__(self, table: str) -> None:
        super().__init__(id=f"table-{table}")
        self.table = table
        self.shown: Rows | None = None
        self.grid: DataTable[Any] = DataTable(cursor_type="row", zebra_stripes=True)
        self._message = Static(classes="message", markup=False)
        self._columns: list[Column] = []
        self._titles: list[str] = []
        self._widths: dict[str, int] = {}

    def compose(self) -> ComposeResult:
        """One or the other."""
        yield self._message
        yield self.grid

    def on_mount(self) -> None:
        """Nothing to say yet."""
        self._message.display = False

    def focus_rows(self) -> None:
        """Keys go to the rows."""
        self.grid.focus()

    def question(self, asked: Asked) -> Question:
        """As many rows as somebody may scroll through."""
        wish = Wish(self.table, _MOST_ROWS, asked.sort, asked.reverse, asked.expression)
        return lambda session: read_rows(session, wish)

    def say(self, message: str) -> None:
        """In the place of the rows."""
        self.shown, self.grid.display, self._message.display = None, False, True
        self._message.update(escape_controls(message))

    def show(self, seen: Rows, look: Look) -> str:
        """Replace what is shown; the cursor stays with its row where that is still there."""
        if not seen.records:
            self.say(_MATCHES_NONE if seen.length else _EMPTY.get(self.table, _NOTHING_YET))
            return self._told(seen)
        self.grid.display, self._message.display = True, False
        key, scroll = self.chosen_key(), self.grid.scroll_offset
        self.shown = seen
        columns = columns_of(self.table, totals=look.totals)
        cells = [[cell(record, c, bits=look.bits) for c in columns] for record in seen.records]
        for row, label in zip(cells, seen.labels or [], strict=False):
            row[0] = label_cell(label)
        needed = self._no_narrower(columns, widest(columns, cells, seen.sorted_by))
        room = (self.size.width or self.app.size.width) - _SCROLL_BAR
        places = fitting(columns, needed, room)
        self._set_columns([columns[place] for place in places], seen)
        self.grid.clear()
        for row, row_key in zip(cells, seen.keys, strict=True):
            self.grid.add_row(*(row[place] for place in places), key=row_key)
        if key in seen.keys:
            self.grid.move_cursor(row=seen.keys.index(key), animate=False, scroll=False)
        self.grid.scroll_to(*scroll, animate=False)
        return self._told(seen)

    @staticmethod
    def _told(seen: Rows) -> str:
        told = f"{len(seen.records):,} of {seen.matched:,}"
        if seen.matched != seen.length:
            told += f" that match, of {seen.length:,}"
        return f"{told}, by {seen.sorted_by}"

    def _no_narrower(self, columns: list[Column], needed: list[int]) -> list[int]:
        """Than they were: columns that move at each reading cannot be read."""
        if any(column.name not in self._widths for column in columns):
            self._widths.clear()
        for column, width in zip(columns, needed, strict=True):
            self._widths[column.name] = max(width, self._widths.get(column.name, 0))
        return [self._widths[column.name] for column in columns]

    def _set_columns(self, columns: list[Column], rows: Rows) -> None:
        """Widths are ours: the grid would measure each cell again, and only when it is idle."""
        by, mark = rows.sorted_by, _SORTED[rows.is_reversed]
        titles = [column.title + (mark if column.name == by else "") for column in columns]
        if titles != self._titles or columns != self._columns:
            self._columns, self._titles = columns, titles
            self.grid.clear(columns=True)
            for column, title in zip(columns, titles, strict=True):
                self.grid.add_column(title, key=column.name, width=self._widths[column.name])
        for shown in self.grid.ordered_columns:
            shown.width = self._widths[str(shown.key.value)]

    def chosen_key(self) -> str | None:
        """Of the row under the cursor."""
        place = self.grid.cursor_row
        return (
            self.shown.keys[place] if self.shown and place in range(len(self.shown.keys)) else None
        )

    def chosen(self) -> Record | None:
        """The record under the cursor."""
        if self.shown is None or self.grid.cursor_row not in range(len(self.shown.records)):
            return None
        return self.shown.records[self.grid.cursor_row]

    def sortable(self) -> list[str]:
        """Names of the columns, in their order."""
        return [column.name for column in self._columns or COLUMNS[self.table]]
