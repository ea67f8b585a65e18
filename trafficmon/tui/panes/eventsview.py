# SPDX-License-Identifier: MIT
"""What happens, as it happens; the newest line on top."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from trafficmon.filter.nodes import Expression
from trafficmon.render.eventline import event_parts
from trafficmon.render.safe import escape_controls
from trafficmon.render.width import cell_width
from trafficmon.tables.table import Record
from trafficmon.tui.panes.grid import Cell, Grid, Head
from trafficmon.tui.panes.pane import Asked, Look, Question
from trafficmon.tui.readings.feed import Feed
from trafficmon.tui.readings.happened import matching
from trafficmon.tui.readings.session import Session

_SHOWN = 300
_COLUMNS = {"TIME": 15, "TYPE": 6, "EVENT": 9, "WHAT": 0}  # 0: what the lines need
_STYLES = {"conn": "green", "dns": "cyan", "packet": "dim", "drop": "red"}


class EventsView(Vertical):
    """Shows the records of a feed, which begins when it is first looked at."""

    def __init__(self, feed: Feed) -> None:
        super().__init__(id="table-events")
        self.table, self._feed = "events", feed
        self.grid = Grid()
        self._note = Static(classes="message", markup=False)
        self._records: list[Record] = []

    def compose(self) -> ComposeResult:
        """What is to be said, above them."""
        yield self._note
        yield self.grid

    def on_mount(self) -> None:
        """Nothing to say yet."""
        self._note.display = False

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
        chosen = self.chosen()
        self._records = seen
        rows = [_cells(event) for event in seen[:_SHOWN]]
        longest = max([len("WHAT"), *(cell_width(row[-1].text) for row in rows)])
        heads = [Head(title, title, width or longest) for title, width in _COLUMNS.items()]
        cursor = self.grid.cursor_row
        if cursor and chosen in seen[:_SHOWN]:  # on top it stays there, with the newest
            cursor = seen.index(chosen)
        self.grid.load(heads, rows, cursor)
        return self._told()

    def _told(self) -> str:
        if not self._records:
            return "nothing has happened since this tab was opened"
        return f"{min(_SHOWN, len(self._records)):,} newest of {len(self._records):,} events kept"

    def records(self) -> list[Record]:
        """All that are kept, the newest first."""
        return self._records

    def chosen(self) -> Record | None:
        """The event under the cursor."""
        place = self.grid.cursor_row
        return self._records[place] if place in range(len(self._records)) else None


def _cells(event: Record) -> list[Cell]:
    time, type_, name, what = event_parts(event)
    return [Cell(time, "dim"), Cell(type_, _STYLES.get(type_, "")), Cell(name), Cell(what)]
