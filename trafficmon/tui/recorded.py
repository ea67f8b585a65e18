# SPDX-License-Identifier: MIT
"""The dashboard over a recording: the same tabs at any of its times, above a time line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from trafficmon.sources.recorded import RecordedSource
from trafficmon.tui.app import TrafficApp
from trafficmon.tui.panes.detail import DetailScreen
from trafficmon.tui.panes.pane import Pane, Question
from trafficmon.tui.panes.timeline import TimeField, TimeLine
from trafficmon.tui.readings.detail import Detail
from trafficmon.tui.readings.player import Player, clock_text
from trafficmon.tui.readings.recorded import GRAPH_PLACES, NoEvents, RecordedSession
from trafficmon.tui.readings.timeline import Timeline
from trafficmon.tui.threads import in_thread

_TICK_S, _SHOW_S = 0.1, 0.5
_MINUTE_S = 60
_DETAIL_PLACES = 20
"""Of the graph of a row: each is a whole table."""

_MOVES = (
    ("comma", "step(-1)", "Sample back"),
    ("full_stop", "step(1)", "Sample forward"),
    ("less_than_sign", "minutes(-1)", "Minute back"),
    ("greater_than_sign", "minutes(1)", "Minute forward"),
    ("left_curly_bracket,ctrl+home", "first", "First sample"),
    ("right_curly_bracket,ctrl+end", "last", "Last sample"),
    ("space", "play", "Play"),
    ("plus", "speed(1)", "Faster"),
    ("minus", "speed(-1)", "Slower"),
)
_IN_FOOTER = ("space",)


class RecordedDetail(DetailScreen):
    """A row in full; the keys that move in time work here too."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(keys, f"app.{action}", says, show=False) for keys, action, says in _MOVES
    ]


class RecordedApp(TrafficApp):
    """Shows ``source``; ``now`` is a monotonic clock that it is played by."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(keys, action, says, show=keys in _IN_FOOTER) for keys, action, says in _MOVES),
        Binding("colon", "time", "Time"),
    ]

    def __init__(
        self,
        source: RecordedSource,
        path: Path,
        settings_path: Path,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        recording = source.recording
        line = Timeline(recording.times_ns, recording.about.interval_s)
        self._player = Player(line, source.place, now)
        self._past = RecordedSession(source, path)
        super().__init__(
            source,
            NoEvents(),
            settings_path,
            interval_s=_TICK_S,
            where=source.description,
            clock=lambda: clock_text(recording.times_ns[max(0, self._past.place)]),
        )
        self._session = self._past
        self._line, self._time = TimeLine(self._player, self._past.outline), TimeField(self._player)
        self._shown_place = -1
        self._detail_at: tuple[Pane, int] | None = None
        self._of_graph: list[int] = []
        self._is_new_graph = self._is_ahead = False

    def compose(self) -> ComposeResult:
        """The time line between the tabs and the keys."""
        yield from super().compose()
        yield self._line
        yield self._time

    def on_mount(self) -> None:
        """No time is requested yet."""
        self._time.display = False

    def on_unmount(self) -> None:
        """Nothing more to read."""
        self._past.close()

    # ---- reading -------------------------------------------------------------------------------

    def refresh_data(self, *, at_once: bool = False) -> None:
        """What is recorded does not change: a place is read once, and anew for another question."""
        if self._player.tick():
            self._line.show()
        if at_once or self._shown_place != self._player.place:
            super().refresh_data(at_once=at_once)

    def _reading_of(self, pane: Pane, question: Question) -> Callable[[], Any]:
        place, player = self._player.place, self._player
        first, before = self._graph_places(place)[0], []
        if isinstance(pane, DetailScreen):
            pane.forget()
            if place == self._shown_place and not player.is_playing:  # after a first, quick answer
                before = player.line.spread(place, self._span_s, _DETAIL_PLACES)
        self._shown_place = place
        return lambda: self._past.answer(
            place, first, question, before, lambda: player.place == place
        )

    def _detail_screen(self, detail: Detail) -> DetailScreen:
        return RecordedDetail(detail, self._feed)

    def _graph_places(self, place: int) -> list[int]:
        """Those that the graphs at ``place`` are made of."""
        return self._player.line.spread(place, self._span_s, GRAPH_PLACES) or [place]

    def _show(self, pane: Pane, seen: Any) -> None:
        super()._show(pane, seen)
        if isinstance(pane, DetailScreen) and self._detail_at != (pane, self._past.place):
            self._detail_at = pane, self._past.place
            self.refresh_data(at_once=True)
        self._line.show()
        self._read_ahead()

    def _read_ahead(self) -> None:
        """What the graphs of this place are made of, then the time line."""
        outline, self._of_graph = self._past.outline, self._graph_places(self._player.place)
        self._is_new_graph = not all(map(outline.knows, self._of_graph))
        outline.want([*self._of_graph, *self._line.places()])
        if not outline.is_complete and not self._is_ahead:
            self._fill()

    @work(exit_on_error=False)
    async def _fill(self) -> None:
        """Half of the time at most, and never while something else is read."""
        outline, shown, self._is_ahead = self._past.outline, time.monotonic(), True
        while not outline.is_complete:
            begun = time.monotonic()
            if not self._pace.reading_for_s():
                await in_thread(outline.read_next)
            if self._is_new_graph and all(map(outline.knows, self._of_graph)):
                self._is_new_graph = False
                self.refresh_data(at_once=True)
            if begun > shown + _SHOW_S or outline.is_complete:
                shown = begun
                self._line.show()
            await asyncio.sleep(max(0.001, time.monotonic() - begun))
        self._is_ahead = False

    def _show_problem(self, pane: Pane, error: Exception) -> None:
        super()._show_problem(pane, error)
        self._problem.show(error, "Other samples: , . < > { } and the time line.")

    # ---- keys ----------------------------------------------------------------------------------

    def _go_to(self, place: int) -> None:
        self._player.go_to(place)
        self._line.show()
        self.refresh_data(at_once=True)

    def action_step(self, count: int) -> None:
        """So many samples on, or back."""
        self._go_to(self._player.place + count)

    def action_minutes(self, count: int) -> None:
        """So many minutes on, or back."""
        self._go_to(self._player.line.moved(self._player.place, count * _MINUTE_S))

    def action_first(self) -> None:
        """To the first sample."""
        self._go_to(0)

    def action_last(self) -> None:
        """To the last sample, also of a recording that has grown."""
        recording = self._past.source.recording
        recording.refresh()
        self._player.extend(recording.times_ns)
        self._go_to(self._player.line.last)

    def action_play(self) -> None:
        """Play, or pause."""
        self._player.toggle()
        self._line.show()
        self.refresh_data()

    def action_speed(self, step: int) -> None:
        """Faster, or slower."""
        self._player.change_speed(step)
        self._line.show()

    def action_time(self) -> None:
        """Type a time to go to."""
        if not isinstance(self.screen, DetailScreen):
            self._time.open()

    def on_time_field_chosen(self, event: TimeField.Chosen) -> None:
        """The last sample that was taken by then."""
        self._focus_rows()
        self._go_to(self._player.line.place_at(event.time_ns))

    def on_time_line_chosen(self, event: TimeLine.Chosen) -> None:
        """A click on the time line."""
        self._go_to(event.place)
