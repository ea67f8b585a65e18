# SPDX-License-Identifier: MIT
"""Rates: what rows counted from one sample to the next, per second. The one place that makes them.

Comparable are two readings of one epoch, the second after the first on CLOCK_MONOTONIC: a step of
the wall clock changes nothing, and the time between two is the true one, whatever the interval was
meant to be. After a boot or a new attach counters begin anew, so the next rates are unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from trafficmon.model.attachment import Epoch

Array = NDArray[Any]


class Counted(NamedTuple):
    """Counters of rows at one time.

    ``identity``: a number a row that is the same in the next reading; ``counters``: by name, NaN
    where nothing counts; ``at_s``: when they were read, on CLOCK_MONOTONIC.
    """

    identity: NDArray[np.uint64]
    counters: Mapping[str, Array]
    at_s: float
    epoch: Epoch | None = None


class RateMeter:
    """Remembers one reading and compares the next with it."""

    def __init__(self) -> None:
        self._before: Counted | None = None
        self.elapsed_s: float | None = None
        """From the reading before to the latest; None where they are not comparable."""

    @property
    def read_at_s(self) -> float:
        """When the latest reading was."""
        return self._before.at_s if self._before is not None else 0.0

    def rates(self, now: Counted) -> dict[str, Array]:
        """Per second, by name of the counter; NaN where not known. A new row counts from zero.

        A counter below what it was has begun anew, as when an interface's slot is given away: what
        it lost is not known, so its rate is 0.
        """
        before, self._before = self._before, now
        self.elapsed_s = _elapsed_s(before, now)
        if before is None or self.elapsed_s is None:
            return {name: np.full(len(now.identity), np.nan) for name in now.counters}
        is_same = np.array_equal(now.identity, before.identity)  # as from second to second
        earlier = before.counters if is_same else _in_order_of(now.identity, before)
        return {
            name: _increase(values, earlier.get(name)) / self.elapsed_s
            for name, values in now.counters.items()
        }


def _elapsed_s(before: Counted | None, now: Counted) -> float | None:
    """None where the two are not comparable."""
    if before is None or before.epoch != now.epoch or now.at_s <= before.at_s:
        return None
    return now.at_s - before.at_s


def _increase(values: Array, earlier: Array | None) -> Array:
    if earlier is None:
        return np.full(len(values), np.nan)
    if values.dtype.kind == earlier.dtype.kind == "u":  # exact, also beyond 2^53
        more: Array = np.where(values > earlier, values - earlier, 0)
    else:
        more = np.maximum(values.astype(float) - earlier.astype(float), 0)
    return more


def _in_order_of(identity: NDArray[np.uint64], before: Counted) -> dict[str, Array]:
    """The earlier counters, in the order of ``identity``; 0 for a new row."""
    order = np.argsort(before.identity)
    ordered = before.identity[order]
    place = np.minimum(np.searchsorted(ordered, identity), max(len(ordered) - 1, 0))
    known = ordered[place] == identity if len(ordered) else np.zeros(len(identity), bool)
    earlier = {}
    for name, values in before.counters.items():
        earlier[name] = np.zeros(len(identity), values.dtype)
        earlier[name][known] = values[order[place[known]]]
    return earlier
