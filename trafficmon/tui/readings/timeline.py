# SPDX-License-Identifier: MIT
"""The samples of a recording along a line of time, and the gaps between them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

_GAP = 1.9
"""Intervals: samples further apart have a gap between them. A sample may be late; where one is
missing, those around it are two intervals apart."""


class Timeline:
    """Samples by their places from 0 on; ``times_ns`` since 1970, ``interval_s`` as recorded.

    A wall clock that was set back while it was recorded stands still on the line until it is as
    late as before: what comes later in the recording is never left of what came before.
    """

    def __init__(self, times_ns: Sequence[int], interval_s: float) -> None:
        self.times_ns, self.interval_s = times_ns, interval_s
        self._axis_ns = list(accumulate(times_ns, max))

    def __len__(self) -> int:
        return len(self.times_ns)

    @property
    def last(self) -> int:
        """The place of the last sample."""
        return len(self.times_ns) - 1

    def place_at(self, time_ns: float) -> int:
        """The last sample that was taken by then; the first one for a time before that."""
        return max(0, bisect_right(self._axis_ns, time_ns) - 1)

    def moved(self, place: int, seconds: float) -> int:
        """The place so much later, or earlier: at least one sample, up to the end of it."""
        there = self.place_at(self._axis_ns[place] + seconds * 1e9)
        there = max(place + 1, there) if seconds > 0 else min(place - 1, there)
        return min(max(0, there), self.last)

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

    def place_of(self, column: int, width: int) -> int:
        """The sample nearest to a column."""
        span = self._axis_ns[-1] - self._axis_ns[0]
        wanted_ns = self._axis_ns[0] + span * column / max(1, width - 1)
        before = self.place_at(wanted_ns)
        after = min(before + 1, self.last)
        is_nearer = self._axis_ns[after] - wanted_ns < wanted_ns - self._axis_ns[before]
        return after if is_nearer else before

    def is_within_gap(self, column: int, width: int) -> bool:
        """Whether no sample was taken in a whole column, for a gap."""
        span = self._axis_ns[-1] - self._axis_ns[0]
        half_ns = span / max(1, width - 1) / 2
        wanted_ns = self._axis_ns[0] + span * column / max(1, width - 1)
        before = self.place_at(wanted_ns)
        if before == self.last or not self.is_gap(before + 1):
            return False
        return self._axis_ns[before] + half_ns < wanted_ns < self._axis_ns[before + 1] - half_ns

    def spread(self, place: int, span_s: float, count: int) -> list[int]:
        """About ``count`` places, in order, of the ``span_s`` seconds before ``place``."""
        first = self.place_at(self._axis_ns[place] - span_s * 1e9)
        step = max(1, -(-(place - first) // count))
        return list(range(place - 1, first - 1, -step))[::-1]
