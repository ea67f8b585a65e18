# SPDX-License-Identifier: MIT
"""Rates between one reading and the next."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from trafficmon.filter.columns import FilterColumns
from trafficmon.tables.query import choose_rows
from trafficmon.tables.rates import RATE_FIELDS, RateKeeper
from trafficmon.tables.table import Array, Table

Reading = dict[int, tuple[int, int]]  # rx_bytes and tx_bytes by identity


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def table(reading: Reading, sides: tuple[str, ...] = ("rx_bytes", "tx_bytes")) -> Table:
    names = list(reading)
    columns = {
        side: np.array([reading[name][place] for name in names], np.uint64)
        for place, side in enumerate(sides)
    }
    sort_keys: dict[str, Callable[[], Array]] = {
        side: lambda side=side: columns[side]  # type: ignore[misc]
        for side in sides
    }
    return Table(
        name="things",
        fields=sides,
        length=len(names),
        sort_keys=sort_keys,
        default_sort=sides[0] if sides else "",
        record=lambda row: {side: int(columns[side][row]) for side in sides},
        filter_columns=lambda: FilterColumns(table="things", length=len(names)),
        identity=lambda: np.array(names, np.uint64),
        rated={
            {"rx_bytes": "rx", "tx_bytes": "tx", "bytes": "both"}[side]: sort_keys[side]
            for side in sides
        },
    )


def reported(rated: Table, reading: Reading) -> dict[int, tuple[float | None, ...]]:
    return {
        name: tuple(rated.record(row)[field] for field in RATE_FIELDS)
        for row, name in enumerate(reading)
    }


def run(
    clock: Clock, *readings: Reading, every: float = 2.0
) -> dict[int, tuple[float | None, ...]]:
    """What the last of them is reported with."""
    keeper = RateKeeper(clock)
    for reading in readings:
        rated = keeper.add_rates(table(reading))
        clock.now += every
    return reported(rated, readings[-1])


def test_the_first_reading_has_nothing_to_compare_with(clock: Clock) -> None:
    assert run(clock, {1: (100, 50)}) == {1: (None, None, None)}


def test_rates_are_bytes_a_second(clock: Clock) -> None:
    assert run(clock, {1: (100, 50), 2: (0, 7)}, {1: (300, 50), 2: (1, 17)}) == {
        1: (100.0, 0.0, 100.0),
        2: (0.5, 5.0, 5.5),
    }


def test_each_reading_is_compared_with_the_one_before(clock: Clock) -> None:
    assert run(clock, {1: (0, 0)}, {1: (1000, 0)}, {1: (1010, 0)}, every=1) == {
        1: (10.0, 0.0, 10.0)
    }


def test_a_new_row_counts_from_zero(clock: Clock) -> None:
    assert run(clock, {5: (9, 9)}, {3: (40, 2), 5: (9, 9), 8: (60, 0)}) == {
        3: (20.0, 1.0, 21.0),
        5: (0.0, 0.0, 0.0),
        8: (30.0, 0.0, 30.0),
    }


def test_rows_that_went_are_forgotten(clock: Clock) -> None:
    assert run(clock, {1: (10, 0), 2: (10, 0)}, {2: (12, 0)}) == {2: (1.0, 0.0, 1.0)}
    assert run(clock, {1: (10, 0)}, {}, {1: (12, 0)}) == {1: (6.0, 0.0, 6.0)}
    assert run(clock, {1: (10, 0)}, {}) == {}


def test_the_order_of_rows_does_not_matter(clock: Clock) -> None:
    many = {number: (number, 0) for number in range(100)}
    later = {number: (number + 2 * number, 0) for number in reversed(range(100))}
    assert run(clock, many, later) == {n: (float(n), 0.0, float(n)) for n in reversed(range(100))}


def test_counters_that_began_again_are_no_negative_rate(clock: Clock) -> None:
    assert run(clock, {1: (10**9, 5)}, {1: (40, 9)}) == {1: (0.0, 2.0, 2.0)}


def test_counters_near_their_end_are_no_negative_rate(clock: Clock) -> None:
    rx, tx, both = run(clock, {1: (2**64 - 2**20, 0)}, {1: (2**64 - 2**12, 0)})[1]
    assert rx == both == pytest.approx((2**20 - 2**12) / 2, abs=2048)
    assert tx == 0


def test_rates_can_be_sorted_by(clock: Clock) -> None:
    keeper = RateKeeper(clock)
    first = keeper.add_rates(table({1: (0, 0), 2: (5, 0)}))
    assert not first.extra["rate"].any()
    assert choose_rows(first, None, "rate", None) == [0, 1]
    clock.now += 1
    second = keeper.add_rates(table({1: (9, 0), 2: (6, 0)}))
    assert choose_rows(second, None, "rate", 1) == [0]
    assert choose_rows(second, None, "rx_bytes", 1) == [0]


def test_tables_without_directions_and_without_bytes(clock: Clock) -> None:
    for sides, expected in ((("bytes",), (None, None, 4.0)), ((), (None, None, None))):
        keeper = RateKeeper(clock)
        keeper.add_rates(table({1: (10, 0)}, sides))
        clock.now += 2
        assert reported(keeper.add_rates(table({1: (18, 0)}, sides)), {1: (0, 0)}) == {1: expected}


def test_a_reading_that_was_in_no_order_is_compared_row_by_row(clock: Clock) -> None:
    before = {9: (100, 10), 2: (200, 20), 5: (300, 30)}
    now = {5: (302, 34), 7: (8, 0), 9: (106, 10), 2: (200, 22)}
    assert run(clock, before, now) == {
        5: (1.0, 2.0, 3.0),
        7: (4.0, 0.0, 4.0),
        9: (3.0, 0.0, 3.0),
        2: (0.0, 1.0, 1.0),
    }
