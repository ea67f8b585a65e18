# SPDX-License-Identifier: MIT
"""When two readings can be compared, and what a rate is then."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import pytest

from tests.unit.sample_builder import SampleBuilder
from trafficmon.layout import ServiceKind
from trafficmon.model.attachment import Epoch
from trafficmon.model.parts import Part
from trafficmon.model.rates import Counted, RateMeter
from trafficmon.model.sample import Sample
from trafficmon.tables.catalogue import table_maker
from trafficmon.tables.rates import RateKeeper

EPOCH = Epoch("a boot", 7)


def reading(
    octets: int, at_s: float, epoch: Epoch | None = EPOCH, dtype: type = np.uint64
) -> Counted:
    return Counted(np.array([1], np.uint64), {"rx": np.array([octets], dtype)}, at_s, epoch)


def rate(*readings: Counted) -> float:
    """Of the last of them."""
    meter = RateMeter()
    for one in readings:
        latest = float(meter.rates(one)["rx"][0])
        assert math.isnan(latest) == (meter.elapsed_s is None)
    return latest


def test_the_first_reading_has_no_rate() -> None:
    assert math.isnan(rate(reading(500, 10.0)))


@pytest.mark.parametrize("interval_s", [0.1, 1.0, 3600.0])
def test_the_interval_is_the_one_that_passed(interval_s: float) -> None:
    assert rate(reading(0, 10.0), reading(600, 10.0 + interval_s)) == pytest.approx(
        600 / interval_s
    )


def test_a_changed_interval_changes_no_rate() -> None:
    readings = [reading(0, 0.0), reading(100, 1.0), reading(600, 6.0), reading(650, 6.5)]
    assert [rate(*readings[:end]) for end in (2, 3, 4)] == [100.0, 100.0, 100.0]


@pytest.mark.parametrize("epoch", [Epoch("a boot", 8), Epoch("another", 7), None])
def test_another_attach_or_boot_begins_anew(epoch: Epoch | None) -> None:
    """Also where the counters have outgrown the earlier ones by then."""
    first, second = reading(1000, 10.0), reading(5000, 11.0, epoch)
    assert math.isnan(rate(first, second))
    assert rate(first, second, reading(5300, 12.0, epoch)) == 300.0


@pytest.mark.parametrize("dtype", [np.uint64, np.float64])
def test_a_counter_that_began_anew_has_no_negative_rate(dtype: type) -> None:
    readings = reading(1000, 10.0, dtype=dtype), reading(40, 11.0, dtype=dtype)
    assert rate(*readings) == 0.0
    assert rate(*readings, reading(90, 12.0, dtype=dtype)) == 50.0


@pytest.mark.parametrize("at_s", [10.0, 9.0])
def test_no_time_or_time_backwards_is_no_rate(at_s: float) -> None:
    """The same sample again; one of before, as in a recording that is played backwards."""
    assert math.isnan(rate(reading(0, 10.0), reading(50, at_s)))
    assert rate(reading(0, 10.0), reading(50, at_s), reading(80, at_s + 1)) == 30.0


def test_large_counters_are_exact() -> None:
    """Beyond 2^53, where a float has no odd numbers any more."""
    assert rate(reading(2**63 + 1, 0.0), reading(2**63 + 4, 1.0)) == 3.0


def test_what_nothing_counted_before_has_no_rate_yet() -> None:
    unknown = Counted(np.array([1], np.uint64), {"rx": np.array([np.nan])}, 1.0, EPOCH)
    meter = RateMeter()
    meter.rates(unknown)
    assert math.isnan(meter.rates(reading(50, 2.0))["rx"][0])
    assert meter.rates(reading(70, 3.0))["rx"][0] == 20.0


def sample(
    octets: int, at_s: float, *, wall_step_s: float = 0.0, attached_at_ns: int = 1
) -> Sample:
    fake = SampleBuilder()
    fake.service(ServiceKind.PORT, 443, protocol=6, rx=(1, octets))
    fake.read_at_s = {Part.SERVICES: at_s}
    fake.attached_at_ns = attached_at_ns
    made = fake.sample
    clock = made.clock._replace(taken_at_ns=made.clock.taken_at_ns + round(wall_step_s * 1e9))
    return replace(made, clock=clock)


def rx_rate(*samples: Sample) -> float | None:
    keeper = RateKeeper()
    for one in samples:
        row = keeper.add_rates(table_maker("ports")(one)).record(0)
    found: float | None = row["rx_rate"]
    return found


@pytest.mark.parametrize("step_s", [-86400.0, 86400.0])
def test_a_step_of_the_wall_clock_changes_no_rate(
    step_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert rx_rate(sample(0, 5.0), sample(800, 7.0, wall_step_s=step_s)) == 400.0


def test_tables_know_the_epoch_of_their_sample() -> None:
    assert rx_rate(sample(0, 5.0), sample(800, 7.0, attached_at_ns=2)) is None
