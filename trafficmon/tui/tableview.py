# SPDX-License-Identifier: MIT
"""A table that is read again and again, and stays where the user is in it."""

from __future__ import annotations

from textual.widgets import DataTable

from trafficmon.render.columns import Column
from trafficmon.render.shown import COLUMNS
from trafficmon.tables.table import Record
from trafficmon.tui.cells import cell, columns_of
from trafficmon.tui.model import Rows

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
        key = self.chosen_key()
        scroll = self.scroll_offset
        self.shown = rows
        self._set_columns(rows, totals=totals)
        self.clear()
        for record, row_key in zip(rows.records, rows.keys, strict=True):
            cells = [cell(record, column, bits=bits) for column in self._columns]
            self.add_row(*cells, key=row_key)
        if key in rows.keys:
            self.move_cursor(row=rows.keys.index(key), animate=False, scroll=False)
        self.scroll_to(*scroll, animate=False)

    def _set_columns(self, rows: Rows, *, totals: bool) -> None:
        columns = columns_of(self.table, max(20, self.size.width), totals=totals)
        by = rows.sorted_by
        titles = [
            column.title + (_SORTED[rows.wish.reverse] if column.name == by else "")
            for column in columns
        ]
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
