# SPDX-License-Identifier: MIT
"""The time line of a recording: how much passed when, and which sample is shown."""

from __future__ import annotations

from rich.text import Text
from textual import events
from textual.message import Message
from textual.widgets import Input, Static

from trafficmon.errors import UsageError
from trafficmon.tui.contained import Contained
from trafficmon.tui.readings.outline import Outline
from trafficmon.tui.readings.player import Player, position_text
from trafficmon.when import time_ns

_HEIGHTS = "▁▂▃▄▅▆▇█"
_HERE, _GAP, _RESTART, _UNKNOWN = "┃", "╌", "↻", "·"
_MARKS = {_GAP: "nothing recorded", _RESTART: "counters began anew"}
_MARGIN = 2
_STATES = {True: "▶", False: "‖"}
_KEYS = (
    ", . sample  < > minute  { } ends  : time  space play  + - speed",
    "keys , . < > { } : + -",
    "",
)
"""As much as there is room for."""


class TimeLine(Contained, Static):
    """Two rows: rates over the whole recording, and in words where in it we are."""

    class Chosen(Message):
        """A click on the line; ``place``: of the sample that is nearest."""

        def __init__(self, place: int) -> None:
            super().__init__()
            self.place = place

    def __init__(self, player: Player, outline: Outline) -> None:
        super().__init__(id="timeline")
        self._player, self._outline = player, outline

    @property
    def _width(self) -> int:
        return max(1, self.size.width or self.app.size.width)

    def places(self) -> list[int]:
        """The places that its graph is made of, roughly first."""
        line, width = self._player.line, self._width
        steps = (8, 4, 2, 1)
        columns = [column for step in steps for column in range(0, width, step)]
        pairs = [self._ends(column) for column in dict.fromkeys(columns)]
        return [place for pair in pairs for place in pair if place <= line.last]

    def _ends(self, column: int) -> tuple[int, int]:
        """The samples that a column's rate is between."""
        line, width = self._player.line, self._width
        until = line.place_of(column, width)
        after = line.place_of(column - 1, width) if column else until
        return (after if after < until else max(0, until - 1)), until

    def show(self) -> None:
        """Draw it anew."""
        cells = [self._cell(column) for column in range(self._width)]
        self.update(self._graph(cells).append("\n").append(self._words(cells)), layout=False)

    def _graph(self, cells: list[float | str]) -> Text:
        text = Text(no_wrap=True, overflow="ellipsis")
        here = self._player.line.column(self._player.place, self._width)
        most = max((cell for cell in cells if isinstance(cell, float)), default=0.0)
        for column, cell in enumerate(cells):
            if column == here:
                text.append(_HERE, style="bold reverse")
            elif isinstance(cell, str):
                text.append(cell, style="bold yellow" if cell == _RESTART else "dim")
            else:
                text.append(_HEIGHTS[round(cell / most * 7) if most else 0], style="green")
        return text

    def _words(self, cells: list[float | str]) -> Text:
        player = self._player
        text = Text(f" {_STATES[player.is_playing]} x{player.speed}  ", style="bold")
        text.append(position_text(player))
        for mark, meaning in _MARKS.items():
            if mark in cells:
                text.append(f"  {mark} {meaning}", style="not bold yellow")
        room = self._width - text.cell_len - _MARGIN
        keys = next(keys for keys in _KEYS if len(keys) <= max(0, room))
        return text.append(_MARGIN * " ").append(keys, style="not bold dim")

    def _cell(self, column: int) -> float | str:
        """A rate, or a mark."""
        line, width = self._player.line, self._width
        after, until = self._ends(column)
        if self._outline.is_restart(after, until):
            return _RESTART
        if line.is_within_gap(column, width) or line.has_gap(after, until):
            return _GAP
        rate = self._outline.rate(after, until)
        return _UNKNOWN if rate is None else rate

    def on_click(self, event: events.Click) -> None:
        """To the sample that is nearest."""
        self.post_message(self.Chosen(self._player.line.place_of(event.x, self._width)))

    def on_resize(self) -> None:
        """As wide as there is room."""
        self.show()


class TimeField(Contained, Input):
    """Where a time is typed; hidden until then. What is wrong with it is said in its border."""

    class Chosen(Message):
        """``time_ns`` since 1970."""

        def __init__(self, time_ns: int) -> None:
            super().__init__()
            self.time_ns = time_ns

    def __init__(self, player: Player) -> None:
        super().__init__(
            placeholder="22:00:30, 5m (before the end), yesterday 03:12, …  (Enter goes, Esc not)",
            id="time",
        )
        self._player = player

    def open(self) -> None:
        """Show it, and give it the keys."""
        self.value, self.border_subtitle, self.display = "", "", True
        self.screen.set_focus(self)

    def on_input_changed(self, event: Input.Changed) -> None:
        """A time is meant when it is whole."""
        event.stop()
        self.border_subtitle = ""

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go there, or say why not."""
        event.stop()
        times = self._player.line.times_ns
        try:
            wanted_ns = time_ns("the time", event.value, times[-1])
        except UsageError as error:
            self.border_subtitle = Text(str(error)).plain
            return
        self.display = False
        self.post_message(self.Chosen(wanted_ns))

    def key_escape(self, event: events.Key) -> None:
        """Stay."""
        event.stop()
        self.display = False
