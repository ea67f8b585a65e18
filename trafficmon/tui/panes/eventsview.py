# SPDX-License-Identifier: MIT
"""What happens, as it happens; the newest line on top."""

from __future__ import annotations

from rich.cells import cell_len
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import DataTable, Static

from trafficmon.filter.nodes import Expression
from trafficmon.render.eventline import event_parts
from trafficmon.render.safe import escape_controls
from trafficmon.tables.table import Record
from trafficmon.tui.panes.pane import Asked, Look, Question
from trafficmon.tui.readings.feed import Feed
from trafficmon.tui.readings.happened import matching
from trafficmon.tui.readings.session import Session

_SHOWN = 300
_COLUMNS = {"TIME": 15, "TYPE": 6, "EVENT": 9, "WHAT": 4}
_STYLES = {"conn": "green", "dns": "cyan", "packet": "dim", "drop": "red"}


class EventsView(Vertical):
    """Shows the records of a feed, which begins when it is first looked at."""

    def __init__(self, feed: Feed) -> None:
        super().__init__(id="table-events")
        self.table, self._feed = "events", feed
        self.grid: DataTable[Text] = DataTable(cursor_type="row")
        self._note = Static(classes="message", markup=False)
        self._records: list[Record] = []

    def compose(self) -> ComposeResult:
        """What is to be said, above them."""
        yield self._note
        yield self.grid

    def on_mount(self) -> None:
        """Columns that stay; of the last the width is what the lines need."""
        self._note.display = False
        for title, width in _COLUMNS.items():
            self.grid.add_column(title, key=title, width=width)

    def focus_rows(self) -> None:
        """Keys go to the lines."""
        self.grid.focus()

    def question(self, asked: Asked) -> Question:
        """Those that match; the reading is what keeps the interfaces' graphs going."""
        self._feed.start()
        return lambda session: self._read(session, asked.expression)

    def _read(self, session: Session, expression: Expression | None) -> list[Record]:
        with session.reading():
            return matching(self._feed.records(), expression)

    def say(self, message: str) -> None:
        """Above the events that there were."""
        self._note.display = bool(message)
        self._note.update(escape_controls(message))

    def show(self, seen: list[Record], look: Look) -> str:
        """The newest; the cursor stays with its event."""
        del look
        self.say(self._feed.note())
        if seen == self._records:
            return self._told()
        chosen, scroll = self.chosen(), self.grid.scroll_offset
        self._records = seen
        self.grid.clear()
        longest = _COLUMNS["WHAT"]
        for event in seen[:_SHOWN]:
            time, type_, name, what = event_parts(event)
            style = _STYLES.get(type_, "")
            longest = max(longest, cell_len(what))
            self.grid.add_row(
                Text(time, style="dim"), Text(type_, style=style), Text(name), Text(what)
            )
        self.grid.ordered_columns[-1].width = longest
        if chosen in seen[:_SHOWN]:
            self.grid.move_cursor(row=seen.index(chosen), animate=False, scroll=bool(scroll.y))
        return self._told()

    def _told(self) -> str:
        if not self._records:
            return "nothing has happened since this tab was opened"
        return f"{min(_SHOWN, len(self._records)):,} newest of {len(self._records):,} events kept"

    def chosen(self) -> Record | None:
        """The event under the cursor."""
        place = self.grid.cursor_row
        return self._records[place] if place in range(len(self._records)) else None
