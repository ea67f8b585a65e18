# SPDX-License-Identifier: MIT
"""The conversation over a recording: commands that move in time; each answer has its time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from trafficmon.errors import UsageError
from trafficmon.quantities import seconds_of
from trafficmon.sources.recorded import RecordedSource
from trafficmon.tui.plaintext import Conversation
from trafficmon.tui.readings.player import Player, position_text
from trafficmon.tui.readings.recorded import GRAPH_PLACES, NoEvents, RecordedSession
from trafficmon.tui.readings.session import Session
from trafficmon.tui.readings.timeline import Timeline
from trafficmon.when import time_ns

_HELP = """\
next, back: one sample further or earlier; with a number, so many; with a time such as 1m, so long.
first, last: the first sample, the last one.
at and a time: at 22:00:30, or at 5m (before the end)."""
_MOVES = ("next", "back", "first", "last", "at")


class RecordedConversation(Conversation):
    """See Conversation. The place is of ``source``."""

    def __init__(self, source: RecordedSource, path: Path, lines: TextIO, out: TextIO) -> None:
        super().__init__(source, NoEvents(), lines, out, wait=lambda _: None)
        recording = source.recording
        line = Timeline(recording.times_ns, recording.about.interval_s)
        self._player, self._past = Player(line, source.place), RecordedSession(source, path)
        self._session = self._past

    def close(self) -> None:
        """Nothing more to read."""
        self._past.close()

    def _seen(self, what: str, read: Callable[[Session], Any]) -> Any:
        """Rates are of the sample before it in the recording: there is nothing to wait for."""
        del what
        place = self._player.place
        first = (self._player.line.spread(place, 0, GRAPH_PLACES) or [place])[0]
        self._say(f"{position_text(self._player)}.")
        return self._past.answer(place, first, read)

    def _do(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word in _MOVES:
            self._move(word, rest.strip())
            super()._do(self._again)
            return
        super()._do(line)
        if word == "help":
            self._say(_HELP)

    def _move(self, word: str, rest: str) -> None:
        player = self._player
        if word == "at":
            player.go_to(player.line.place_at(time_ns("at", rest, player.line.times_ns[-1])))
        elif word in ("first", "last"):
            player.go_to(0 if word == "first" else player.line.last)
        else:
            self._step(1 if word == "next" else -1, word, rest)

    def _step(self, direction: int, word: str, rest: str) -> None:
        player, count = self._player, rest or "1"
        if count.isdecimal():
            player.go_to(player.place + direction * int(count))
            return
        if (seconds := seconds_of(count)) is None:
            raise UsageError(f"{word} takes a number of samples, or a time as 1m, not {rest!r}")
        player.go_to(player.line.moved(player.place, direction * seconds))
