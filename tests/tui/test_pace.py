# SPDX-License-Identifier: MIT
"""When the dashboard reads, and when it rests."""

from __future__ import annotations

import pytest

from trafficmon.tui import pace
from trafficmon.tui.pace import Pace


class Clock:
    """In the place of time.monotonic()."""

    now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pace, "time", clock)
    return clock


def read(pace: Pace, took_s: float, *, is_first: bool = False) -> bool:
    assert pace.begin(at_once=True)
    return pace.end(took_s, is_first=is_first)


def test_rests_four_times_as_long_as_it_took(clock: Clock) -> None:
    pace = Pace()
    read(pace, 0.5)
    clock.now_s += 1.9
    assert not pace.begin(at_once=False)
    clock.now_s += 0.2
    assert pace.begin(at_once=False)


def test_a_key_is_not_kept_waiting(clock: Clock) -> None:
    pace = Pace()
    read(pace, 60.0)
    assert pace.begin(at_once=True)


def test_no_rest_after_a_first_reading(clock: Clock) -> None:
    pace = Pace()
    read(pace, 60.0, is_first=True)
    assert pace.begin(at_once=False)


@pytest.mark.parametrize("at_once", [True, False])
def test_what_is_requested_while_it_reads_comes_next(clock: Clock, at_once: bool) -> None:
    pace = Pace()
    assert pace.begin(at_once=False)
    assert not pace.begin(at_once=at_once)
    assert pace.end(0.1, is_first=False) is at_once
    assert read(pace, 0.1) is False
