# SPDX-License-Identifier: MIT
"""A table that is read again and again, and stays where the user is in it."""

from __future__ import annotations

from textual.widgets import DataTable

from trafficmon.render.columns import Column
from trafficmon.render.shown import COLUMNS
from trafficmon.tables.table import Record
from trafficmon.tui.cells import cell, columns_of, fitting
from trafficmon.tui.model import Rows

_SCROLL_BAR = 2
_SORTED = {False: " ▾", True: " ▴"}


class TableView(DataTable[object]):
    """Shows Rows."""

    def __init__(self, table: str) -> None:
        super().__init__(id=f"table-{table}", cursor_type="row", zebra_stripes=True)
        self.table = table
        self.shown: Rows | None = None
        self._columns: list[Column] = []
        self._titles: list[str] = []

    def show(self, rows: Rows, *, bits: bool, totals: bool) -> None:
        """Replace what is shown; the cursor stays with its row where that is still there."""
        key, scroll = self.chosen_key(), self.scroll_offset
        self.shown = rows
        columns = columns_of(self.table, totals=totals)
        cells = [[cell(record, c, bits=bits) for c in columns] for record in rows.records]
        places = fitting(columns, cells, (self.size.width or self.app.size.width) - _SCROLL_BAR)
        self._set_columns([columns[place] for place in places], rows)
        self.clear()
        for row, row_key in zip(cells, rows.keys, strict=True):
            self.add_row(*(row[place] for place in places), key=row_key)
        if key in rows.keys:
            self.move_cursor(row=rows.keys.index(key), animate=False, scroll=False)
        self.scroll_to(*scroll, animate=False)

    def _set_columns(self, columns: list[Column], rows: Rows) -> None:
        by, mark = rows.sorted_by, _SORTED[rows.wish.reverse]
        titles = [column.title + (mark if column.name == by else "") for column in columns]
        if titles == self._titles and columns == self._columns:
            return
        self._columns, self._titles = columns, titles
        self.clear(columns=True)
        for column, title in zip(columns, titles, strict=True):
            self.add_column(title, key=column.name)

    def chosen_key(self) -> str | None:
        """Of the row under the cursor."""
        if self.shown is None or not 0 <= self.cursor_row < len(self.shown.keys):
            return None
        return self.shown.keys[self.cursor_row]

    def chosen(self) -> Record | None:
        """The record under the cursor."""
        if self.shown is None or not 0 <= self.cursor_row < len(self.shown.records):
            return None
        return self.shown.records[self.cursor_row]

    def sortable(self) -> list[str]:
        """Names of the columns, in their order."""
        return [column.name for column in self._columns or COLUMNS[self.table]]
