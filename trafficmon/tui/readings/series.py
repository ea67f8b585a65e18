# SPDX-License-Identifier: MIT
"""How a rate went over time. Readings are not always as far apart as they were meant to be."""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

_MOST_READINGS = 7200  # an hour at two a second
_MOST_BUCKETS = 360
_LEAST_BUCKET_S = 1.0


class _Reading(NamedTuple):
    """``value`` held for ``lasted_s`` until ``at_s``."""

    at_s: float
    lasted_s: float
    value: float


class Series:
    """Values, each of the time from the reading before to its own."""

    def __init__(self) -> None:
        self._readings: deque[_Reading] = deque(maxlen=_MOST_READINGS)

    def add(self, at_s: float, lasted_s: float, value: float) -> None:
        """The latest. ``at_s``: on a clock that does not go back."""
        self._readings.append(_Reading(at_s, lasted_s, value))

    @property
    def latest(self) -> float | None:
        """Of the last reading."""
        return self._readings[-1].value if self._readings else None

    def most(self, span_s: float) -> float | None:
        """The largest of the last ``span_s`` seconds."""
        return max((one.value for one in self._within(span_s)), default=None)

    def covered_s(self, span_s: float) -> float:
        """How much of the last ``span_s`` seconds is known."""
        return sum(
            min(one.at_s, self._end) - max(one.at_s - one.lasted_s, self._end - span_s)
            for one in self._within(span_s)
        )

    def buckets(self, span_s: float) -> list[float]:
        """The last ``span_s`` seconds in equal parts: the largest value in each, 0 where unknown.

        A reading fills all parts of the time that it is of: with an interval of 3 s there are not
        two empty ones after each.
        """
        width_s = max(_LEAST_BUCKET_S, span_s / _MOST_BUCKETS)
        count = round(span_s / width_s)
        found, begin_s = [0.0] * count, self._end - span_s
        for one in self._within(span_s):
            first = max(0, math.floor((one.at_s - one.lasted_s - begin_s) / width_s + _NEARLY))
            last = math.ceil((one.at_s - begin_s) / width_s - _NEARLY)
            for place in range(first, min(count, max(last, first + 1))):
                found[place] = max(found[place], one.value)
        return found

    @property
    def _end(self) -> float:
        return self._readings[-1].at_s if self._readings else 0.0

    def _within(self, span_s: float) -> list[_Reading]:
        begin_s = self._end - span_s
        return [one for one in self._readings if one.at_s > begin_s + _NEARLY]


_NEARLY = 1e-6
"""Of a second, or of a bucket: sums of times are not exact."""
