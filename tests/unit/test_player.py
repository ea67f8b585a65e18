# SPDX-License-Identifier: MIT
"""A place in a recording: moved, limited by its ends, and played by a clock."""

from __future__ import annotations

import pytest

from trafficmon.tui.readings.player import SPEEDS, Player, position_text
from trafficmon.tui.readings.timeline import Timeline

S = 10**9
BEGIN_NS = 1_790_000_000 * S


class Clock:
    now_s = 50.0

    def __call__(self) -> float:
        return self.now_s


def line(*seconds: float, interval_s: float = 1.0) -> Timeline:
    return Timeline([BEGIN_NS + round(second * S) for second in seconds], interval_s)


def player(*seconds: float, place: int = 0) -> tuple[Player, Clock]:
    clock = Clock()
    return Player(line(*seconds), place, clock), clock


def test_a_place_stays_between_both_ends() -> None:
    one, _ = player(*range(5), place=2)
    for expected, found in ((-1, 0), (0, 0), (4, 4), (5, 4), (99, 4)):
        one.go_to(expected)
        assert one.place == found


@pytest.mark.parametrize("speed", SPEEDS)
def test_it_plays_as_many_times_as_fast(speed: int) -> None:
    one, clock = player(*range(200))
    one.change_speed(SPEEDS.index(speed))
    one.toggle()
    assert not one.tick()
    clock.now_s += 0.999 / speed
    assert not one.tick()
    clock.now_s += 0.002 / speed
    assert one.tick()
    assert one.place == 1
    clock.now_s += 100 / speed
    assert one.tick()
    assert one.place == 101


def test_speeds_end_at_both_ends() -> None:
    one, _ = player(*range(5))
    one.change_speed(-1)
    assert one.speed == SPEEDS[0]
    for _ in range(9):
        one.change_speed(1)
    assert one.speed == SPEEDS[-1]


def test_paused_it_stays() -> None:
    one, clock = player(*range(5))
    one.toggle()
    one.toggle()
    clock.now_s += 100
    assert not one.tick()
    assert one.place == 0


def test_it_stops_at_the_end_and_plays_from_the_beginning_then() -> None:
    one, clock = player(*range(5), place=3)
    one.toggle()
    clock.now_s += 100
    assert one.tick()
    assert (one.place, one.is_playing) == (4, False)
    one.toggle()
    assert (one.place, one.is_playing) == (0, True)


def test_a_gap_is_played_as_one_interval() -> None:
    one, clock = player(0, 1, 601, 602)
    one.toggle()
    clock.now_s += 2.001
    one.tick()
    assert one.place == 2


def test_after_a_jump_the_next_sample_is_an_interval_away() -> None:
    one, clock = player(*range(50))
    one.toggle()
    clock.now_s += 0.9
    one.go_to(20)
    clock.now_s += 0.9
    assert not one.tick()


@pytest.mark.parametrize(
    ("place", "seconds", "found"),
    [(0, 60, 60), (100, -60, 40), (30, -60, 0), (170, 60, 179), (0, -60, 0), (179, 60, 179)],
)
def test_a_minute_on_or_back(place: int, seconds: float, found: int) -> None:
    assert line(*range(180)).moved(place, seconds) == found


def test_a_minute_is_a_sample_at_least() -> None:
    one = line(0, 300, 600, interval_s=300)
    assert one.moved(0, 60) == 1
    assert one.moved(2, -60) == 1


@pytest.mark.parametrize(("apart", "is_gap"), [(1.0, False), (1.9, False), (2, True), (60, True)])
def test_a_sample_that_is_missing_is_a_gap_a_late_one_is_not(apart: float, is_gap: bool) -> None:
    one = line(0, 1, 1 + apart)
    assert (one.is_gap(1), one.is_gap(2)) == (False, is_gap)
    assert one.has_gap(0, 2) is is_gap
    assert not one.has_gap(0, 1)


def test_columns_are_of_time_and_each_leads_back_to_its_sample() -> None:
    one = line(*range(10), *range(90, 100))
    assert [one.column(place, 100) for place in (0, 9, 10, 19)] == [0, 9, 90, 99]
    assert [one.place_of(column, 100) for column in (0, 9, 30, 70, 90, 99)] == [0, 9, 9, 10, 10, 19]
    assert one.is_within_gap(50, 100)
    assert not one.is_within_gap(9, 100)
    assert not one.is_within_gap(90, 100)


def test_a_clock_that_was_set_back_turns_no_time_round() -> None:
    one = line(0, 1, 2, 0.5, 1.5, 2.5)
    columns = [one.column(place, 80) for place in range(6)]
    assert columns == sorted(columns)


def test_one_sample_is_a_whole_recording() -> None:
    one, _ = player(0)
    one.toggle()
    one.tick()
    assert (one.place, one.line.column(0, 80), one.line.place_of(40, 80)) == (0, 0, 0)


@pytest.mark.parametrize(
    ("place", "says"),
    [(3661, "the end"), (3620, "41 s before the end"), (0, "1 h 1 min 1 s before the end")],
)
def test_its_position_in_words(place: int, says: str) -> None:
    one, _ = player(*range(3662), place=place)
    assert f", {says}, {place + 1:,}/3,662" in position_text(one)


def test_places_before_one_are_spread_over_a_span() -> None:
    one = line(*range(1000))
    found = one.spread(900, 300, 60)
    assert len(found) == 60
    assert (found[0], found[-1]) == (604, 899)
    assert one.spread(0, 300, 60) == []
    assert one.spread(3, 300, 60) == [0, 1, 2]
