# SPDX-License-Identifier: MIT
"""Numbers with units."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trafficmon.render import units


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (999, "999 B"),
        (0.5, "0.5 B"),
        (1000, "1.0 kB"),
        (1234, "1.2 kB"),
        (99_949, "99.9 kB"),
        (99_951, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (1_200_000, "1.2 MB"),
        (3.4e9, "3.4 GB"),
        (7.25e12, "7.2 TB"),
        (1e15, "1.0 PB"),
        (2**64 - 1, "18.4 EB"),
        (5e21, "5000 EB"),
        (-1500, "-1.5 kB"),
    ],
)
def test_bytes(count: float, text: str) -> None:
    assert units.format_bytes(count) == text


def test_rates() -> None:
    assert units.format_byte_rate(1_200_000) == "1.2 MB/s"
    assert units.format_bit_rate(3.4e9) == "3.4 Gbit/s"
    assert units.format_bit_rate(0) == "0 bit/s"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 µs"),
        (0.000_850, "850 µs"),
        (0.000_999_4, "999 µs"),
        (0.000_999_6, "1.0 ms"),
        (0.012_34, "12.3 ms"),
        (0.999_4, "999 ms"),
        (0.999_6, "1.0 s"),
        (3.44, "3.4 s"),
        (59.94, "59.9 s"),
        (59.96, "1m00s"),
        (125, "2m05s"),
        (3599.4, "59m59s"),
        (3599.6, "1h00m"),
        (3 * 3600 + 7 * 60 + 59, "3h07m"),
        (86_399, "23h59m"),
        (86_400, "1d00h"),
        (5 * 86_400 + 4 * 3600, "5d04h"),
        (999 * 86_400, "999d00h"),
        (1234 * 86_400, "1234d"),
        (-125, "-2m05s"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert units.format_duration(seconds) == text


@pytest.mark.parametrize(
    ("percent", "text"),
    [
        (0, "0.0%"),
        (100, "100.0%"),
        (42.25, "42.2%"),
        (99.99, "99.9%"),
        (99.999_999, "99.9%"),
        (0.01, "0.1%"),
    ],
)
def test_rounding_a_percentage_hides_nothing(percent: float, text: str) -> None:
    assert units.format_percent(percent) == text


@given(st.floats(0, 9.99e20))
def test_widths_hold(value: float) -> None:
    assert len(units.format_bytes(value)) <= units.BYTES_WIDTH
    assert len(units.format_byte_rate(value)) <= units.BYTE_RATE_WIDTH
    assert len(units.format_bit_rate(value)) <= units.BIT_RATE_WIDTH


@given(st.floats(0, 3000 * 86_400))
def test_duration_width_holds(seconds: float) -> None:
    assert len(units.format_duration(seconds)) <= units.DURATION_WIDTH


@given(st.floats(0, 100))
def test_percent_width_holds(percent: float) -> None:
    assert len(units.format_percent(percent)) <= units.PERCENT_WIDTH


@given(st.integers(0, 2**64 - 1))
def test_bytes_are_right_to_half_of_the_last_digit(count: int) -> None:
    number, unit = units.format_bytes(count).split()
    scale = 1000 ** ["B", "kB", "MB", "GB", "TB", "PB", "EB"].index(unit)
    last_digit = 0.1 if "." in number else 1

    assert abs(float(number) * scale - count) <= scale * last_digit * 0.5001


def test_times_are_utc() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    in_india = moment.astimezone(timezone(timedelta(hours=5, minutes=30)))

    assert units.format_time(moment) == "2026-01-02T03:04:05.000006Z"
    assert units.format_time(in_india) == "2026-01-02T03:04:05.000006Z"


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        units.format_time(datetime(2026, 1, 2))  # noqa: DTZ001 -- that is the mistake
