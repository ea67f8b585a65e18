# SPDX-License-Identifier: MIT
"""A place in a recording that keys move, and that moves by itself while it is played."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime

from trafficmon.tui.readings.timeline import Timeline

SPEEDS = (1, 2, 5, 10, 60)


def clock_text(time_ns: int) -> str:
    """A time of day here."""
    return datetime.fromtimestamp(time_ns / 1e9).astimezone().strftime("%H:%M:%S")


class Player:
    """``place``: of the sample to show. ``now`` is a monotonic clock, in seconds."""

    def __init__(
        self, line: Timeline, place: int, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.line, self.place, self._now = line, place, now
        self.speed, self.is_playing = SPEEDS[0], False
        self._due_s = 0.0  # on the clock: when the next sample is shown

    def go_to(self, place: int) -> None:
        """To a place, or to the end that is nearest to it; what is played goes on from there."""
        self.place = min(max(0, place), self.line.last)
        self._wait()

    def toggle(self) -> None:
        """Play, or pause; at the end it plays from the beginning."""
        self.is_playing = not self.is_playing
        if self.is_playing and self.place == self.line.last:
            self.place = 0
        self._wait()

    def change_speed(self, step: int) -> None:
        """To the next of SPEEDS, up or down."""
        at = SPEEDS.index(self.speed) + step
        self.speed = SPEEDS[min(max(0, at), len(SPEEDS) - 1)]
        self._wait()

    def tick(self) -> bool:
        """Move on if it is time; whether it moved. Samples that are due already are left out.

        A gap is as long as an interval, so no one waits for what was not recorded.
        """
        if not self.is_playing:
            return False
        before, now_s = self.place, self._now()
        while self.place < self.line.last and now_s >= self._due_s:
            self.place += 1
            self._due_s += self._pause_s()
        if self.place == self.line.last:
            self.is_playing = False
        return self.place != before

    def extend(self, times_ns: Sequence[int]) -> None:
        """The recording has grown."""
        self.line = Timeline(times_ns, self.line.interval_s)

    def _wait(self) -> None:
        self._due_s = self._now() + self._pause_s()

    def _pause_s(self) -> float:
        """From this sample to the next, at this speed."""
        if self.place == self.line.last:
            return 0.0
        following = self.place + 1
        is_gap = self.line.is_gap(following)
        return (self.line.interval_s if is_gap else self.line.seconds_to(following)) / self.speed


def position_text(player: Player) -> str:
    """Such as: 12:03:07, 41 s before the end, 3,559/3,600."""
    line, place = player.line, player.place
    at = clock_text(line.times_ns[place])
    return f"{at}, {_end_text(player)}, {place + 1:,}/{len(line):,}"


def _end_text(player: Player) -> str:
    if player.place == player.line.last:
        return "the end"
    seconds = round(player.line.before_end_s(player.place))
    hours, minutes = divmod(seconds // 60, 60)
    parts = [(hours, "h"), (minutes, "min"), (seconds % 60, "s")]
    known = " ".join(f"{number} {unit}" for number, unit in parts if number) or "under 1 s"
    return f"{known} before the end"
