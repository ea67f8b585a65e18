# SPDX-License-Identifier: MIT
"""What tables and events have in common: rows under a cursor, and a message above them."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from trafficmon.render.safe import escape_controls
from trafficmon.tables.table import Record
from trafficmon.tui.panes.grid import Grid


class RowsPane(Vertical):
    """Each row is a record of ``table``."""

    def __init__(self, table: str) -> None:
        super().__init__(id=f"table-{table}")
        self.table = table
        self.grid = Grid()
        self._message = Static(classes="message", markup=False)

    def compose(self) -> ComposeResult:
        """What is to be said, above the rows."""
        yield self._message
        yield self.grid

    def on_mount(self) -> None:
        """Nothing to say yet."""
        self._message.display = False

    def focus_rows(self) -> None:
        """Keys go to the rows."""
        self.grid.focus()

    def records(self) -> list[Record]:
        """What is shown, and what was read to be scrolled to."""
        raise NotImplementedError

    def chosen(self) -> Record | None:
        """The record under the cursor."""
        records, place = self.records(), self.grid.cursor_row
        return records[place] if place in range(len(records)) else None

    def chosen_key(self) -> str:
        """By which the chosen record is found again, where it is; else empty."""
        return ""

    def _tell(self, message: str, *, above_rows: bool) -> None:
        """Above the rows, or in their place. Setting display has the screen laid out anew."""
        for widget, shown in ((self._message, bool(message)), (self.grid, above_rows)):
            if widget.display != shown:
                widget.display = shown
        self._message.update(escape_controls(message))
