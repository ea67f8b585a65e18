# SPDX-License-Identifier: MIT
"""Samples of a source at regular times."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from trafficmon.model.parts import Part
from trafficmon.model.sample import Sample
from trafficmon.model.source import Source

_LOOK_EVERY_S = 0.1


def sampled(
    source: Source,
    parts: Part,
    interval_s: float,
    for_s: float | None = None,
    check: Callable[[], None] = lambda: None,
) -> Iterator[Sample]:
    """A sample at once, then one every ``interval_s``, until ``for_s`` have passed.

    Times are counted from the first sample, so they do not drift. A sample that took longer than
    the interval leaves out those that it came too late for. ``check`` is called while it waits, and
    may raise what ends it.
    """
    begin, turn = time.monotonic(), 0
    while True:
        yield source.read(parts)
        turn = max(turn + 1, int((time.monotonic() - begin) / interval_s))
        if for_s is not None and turn * interval_s > for_s:
            return
        _wait_until(begin + turn * interval_s, check)


def _wait_until(due_s: float, check: Callable[[], None]) -> None:
    check()
    while (left_s := due_s - time.monotonic()) > 0:
        time.sleep(min(left_s, _LOOK_EVERY_S))
        check()
