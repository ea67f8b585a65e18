# SPDX-License-Identifier: MIT
"""The samples of a recording along a line of time, and the gaps between them."""

from __future__ import annotations

from collections.abc import Sequence

from trafficmon.sources.recording.axis import TimeAxis

_GAP = 1.9
"""Intervals: samples further apart have a gap between them. A sample may be late; where one is
missing, those around it are two intervals apart."""


class Timeline(TimeAxis):
    """``interval_s``: as recorded."""

    def __init__(self, times_ns: Sequence[int], interval_s: float) -> None:
        super().__init__(times_ns)
        self.interval_s = interval_s

    def seconds_to(self, place: int) -> float:
        """From the sample before it to ``place``."""
        return (self._axis_ns[place] - self._axis_ns[place - 1]) / 1e9 if place else 0.0

    def is_gap(self, place: int) -> bool:
        """Whether samples are missing between the one before ``place`` and this one."""
        return self.seconds_to(place) > _GAP * self.interval_s

    def has_gap(self, after: int, until: int) -> bool:
        """Whether there is a gap before any sample later than ``after``, up to ``until``."""
        return any(map(self.is_gap, range(after + 1, until + 1)))

    def before_end_s(self, place: int) -> float:
        """From ``place`` to the last sample."""
        return (self._axis_ns[-1] - self._axis_ns[place]) / 1e9

    def column(self, place: int, width: int) -> int:
        """Where ``place`` is on a line of ``width`` columns."""
        span = self._axis_ns[-1] - self._axis_ns[0]
        return round((self._axis_ns[place] - self._axis_ns[0]) * (width - 1) / span) if span else 0

    def _time_ns(self, column: int, width: int) -> float:
        """What a column of ``width`` stands for."""
        span = self._axis_ns[-1] - self._axis_ns[0]
        return self._axis_ns[0] + span * column / max(1, width - 1)

    def place_of(self, column: int, width: int) -> int:
        """The sample nearest to a column."""
        time_ns = self._time_ns(column, width)
        before = self.place_at(time_ns)
        after = min(before + 1, self.last)
        is_nearer = self._axis_ns[after] - time_ns < time_ns - self._axis_ns[before]
        return after if is_nearer else before

    def is_within_gap(self, column: int, width: int) -> bool:
        """Whether no sample was taken in a whole column, for a gap."""
        time_ns = self._time_ns(column, width)
        half_ns = (self._time_ns(1, width) - self._axis_ns[0]) / 2
        before = self.place_at(time_ns)
        if before == self.last or not self.is_gap(before + 1):
            return False
        return self._axis_ns[before] + half_ns < time_ns < self._axis_ns[before + 1] - half_ns

    def spread(self, place: int, span_s: float, count: int) -> list[int]:
        """About ``count`` places, in order, of the ``span_s`` seconds before ``place``."""
        first = self.place_at(self._axis_ns[place] - span_s * 1e9)
        step = max(1, -(-(place - first) // count))
        return list(range(place - 1, first - 1, -step))[::-1]
