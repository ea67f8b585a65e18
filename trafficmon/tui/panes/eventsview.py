# SPDX-License-Identifier: MIT
"""What happens, as it happens; the newest line on top."""

from __future__ import annotations

from trafficmon.events.event import Event
from trafficmon.events.select import matching
from trafficmon.filter.nodes import Expression
from trafficmon.render.eventline import event_parts
from trafficmon.render.width import cell_width
from trafficmon.tables.table import Record
from trafficmon.tui.panes.grid import Cell, Head
from trafficmon.tui.panes.pane import Look, Question, TableOptions
from trafficmon.tui.panes.rowspane import RowsPane
from trafficmon.tui.readings.feed import Feed
from trafficmon.tui.readings.session import Session

_SHOWN = 300
_COLUMNS = {"TIME": 15, "TYPE": 6, "EVENT": 9, "WHAT": 0}  # 0: what the lines need
_STYLES = {"conn": "green", "dns": "cyan", "packet": "dim", "drop": "red"}


class EventsView(RowsPane):
    """Shows the records of a feed, which begins when it is first looked at."""

    def __init__(self, feed: Feed) -> None:
        super().__init__("events")
        self._feed = feed
        self._events: list[Event] = []

    def question(self, options: TableOptions) -> Question:
        """Those that match; the reading is what keeps the interfaces' graphs going."""
        self._feed.start()
        return lambda session: self._read(session, options.expression)

    def _read(self, session: Session, expression: Expression | None) -> list[Event]:
        session.read()
        return matching(self._feed.newest(), expression)

    def say(self, message: str) -> None:
        """Above the events that there were."""
        self._tell(message, above_rows=True)

    def show(self, seen: list[Event], look: Look) -> str:
        """The newest; the cursor stays with its event."""
        del look
        self.say(self._feed.note())
        if seen == self._events:
            return self._summary()
        cursor = self.grid.cursor_row
        chosen = self._events[cursor] if cursor in range(len(self._events)) else None
        self._events = seen
        rows = [_cells(event.record()) for event in seen[:_SHOWN]]
        longest = max([len("WHAT"), *(cell_width(row[-1].text) for row in rows)])
        heads = [Head(title, title, width or longest) for title, width in _COLUMNS.items()]
        if (
            cursor and chosen is not None and chosen in seen[:_SHOWN]
        ):  # on top it stays there, with the newest
            cursor = seen.index(chosen)
        self.grid.load(heads, rows, cursor)
        return self._summary()

    def _summary(self) -> str:
        if not self._events:
            return "" if self._feed.note() else "nothing has happened since this tab was opened"
        return f"{min(_SHOWN, len(self._events)):,} newest of {len(self._events):,} events kept"

    def records(self) -> list[Record]:
        """All that are kept, the newest first."""
        return [event.record() for event in self._events]

    def chosen(self) -> Record | None:
        """The record under the cursor."""
        cursor = self.grid.cursor_row
        return self._events[cursor].record() if cursor in range(len(self._events)) else None


def _cells(event: Record) -> list[Cell]:
    time, type_, name, what = event_parts(event)
    return [Cell(time, "dim"), Cell(type_, _STYLES.get(type_, "")), Cell(name), Cell(what)]
