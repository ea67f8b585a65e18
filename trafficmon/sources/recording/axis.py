# SPDX-License-Identifier: MIT
"""The times of samples in the order in which they were recorded."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate


class TimeAxis:
    """Samples by their places from 0 on; ``times_ns`` since 1970.

    A wall clock that was set back while it was recorded stands still here until it is as late as
    before: what comes later in the recording is never earlier than what came before.
    """

    def __init__(self, times_ns: Sequence[int]) -> None:
        self.times_ns = times_ns
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
