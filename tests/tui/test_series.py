# SPDX-License-Identifier: MIT
"""Graphs over time: a reading stands for the time that it is of, whatever the interval."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trafficmon.tui.panes.cells import span_text
from trafficmon.tui.readings.series import Series


def series(interval_s: float, *values: float) -> Series:
    made = Series()
    for number, value in enumerate(values, 1):
        made.add(1000.0 + number * interval_s, interval_s, value)
    return made


@pytest.mark.parametrize("interval_s", [0.5, 1.0, 3.0, 60.0])
def test_a_minute_is_a_minute(interval_s: float) -> None:
    """A peak is in the graph and the label as long as it is younger than that, and no longer."""
    readings_a_minute = int(60 / interval_s)
    made = series(interval_s, 9.0, *[1.0] * (readings_a_minute - 1))
    assert made.most(60) == max(made.buckets(60)) == 9.0
    made.add(1000.0 + (readings_a_minute + 1) * interval_s, interval_s, 1.0)
    assert made.most(60) == max(made.buckets(60)) == 1.0
    assert made.most(300) == 9.0


@pytest.mark.parametrize("interval_s", [0.5, 1.0, 3.0, 20.0])
def test_there_are_no_holes(interval_s: float) -> None:
    made = series(interval_s, *[5.0] * int(60 / interval_s))
    assert made.buckets(60) == [5.0] * 60
    assert made.covered_s(60) == pytest.approx(60)


def test_what_was_not_looked_at_is_nothing() -> None:
    made = series(3.0, 4.0, 5.0)
    assert made.buckets(60) == [0.0] * 54 + [4.0] * 3 + [5.0] * 3
    assert made.covered_s(60) == 6.0
    assert Series().buckets(60) == [0.0] * 60
    assert (Series().most(60), Series().covered_s(60), Series().latest) == (None, 0, None)


def test_a_pause_is_filled_by_what_passed_in_it() -> None:
    made = series(1.0, 1.0, 1.0)
    made.add(1032.0, 30.0, 7.0)
    assert made.buckets(60)[-32:] == [1.0] * 2 + [7.0] * 30


@given(
    st.lists(st.tuples(st.floats(0.1, 90.0), st.floats(0, 1e12)), min_size=1, max_size=50),
    st.sampled_from([60, 300, 3600]),
)
def test_graph_and_label_agree(readings: list[tuple[float, float]], span_s: int) -> None:
    made, now_s = Series(), 5.0
    for lasted_s, value in readings:
        now_s += lasted_s
        made.add(now_s, lasted_s, value)
    assert max(made.buckets(span_s)) == made.most(span_s)
    assert made.buckets(span_s)[-1] >= readings[-1][1]
    assert made.covered_s(span_s) == pytest.approx(min(span_s, sum(one for one, _ in readings)))


@pytest.mark.parametrize(
    ("covered_s", "span_s", "reported"),
    [
        (60, 60, "60 s"),
        (12, 60, "12 s of 60 s"),
        (12, 300, "12 s of 5 min"),
        (299.5, 300, "5 min"),
        (600, 3600, "10 min of 1 h"),
        (3600, 3600, "1 h"),
    ],
)
def test_what_the_label_says(covered_s: float, span_s: int, reported: str) -> None:
    assert span_text(covered_s, span_s) == reported
