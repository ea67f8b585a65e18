# SPDX-License-Identifier: MIT
"""Durations and sizes as people write them."""

from __future__ import annotations

import pytest

from trafficmon.errors import UsageError
from trafficmon.quantities import duration_s, size_bytes


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1", 1),
        ("0.5", 0.5),
        ("60s", 60),
        ("250ms", 0.25),
        ("5m", 300),
        ("1.5h", 5400),
        ("2d", 172_800),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert duration_s("--for", text, 0, 1e9) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "size"), [("100", 100), ("2k", 2000), ("3Mi", 3 << 20), ("1G", 10**9)]
)
def test_sizes(text: str, size: int) -> None:
    assert size_bytes("--max-size", text, 0, 1 << 60) == size


@pytest.mark.parametrize(
    "text", ["", "x", "-1", "1x", "1 h 2", "nan", "inf", "1e3", "\u0661", "60S", "0x10"]
)
def test_what_is_none_names_the_option_and_the_form(text: str) -> None:
    with pytest.raises(UsageError, match=r"--for: .*seconds, or with"):
        duration_s("--for", text, 0, 1e9)


@pytest.mark.parametrize("text", ["1", "11"])
def test_limits_from_both_sides(text: str) -> None:
    assert duration_s("--for", "2", 2, 10) == 2
    assert duration_s("--for", "10", 2, 10) == 10
    with pytest.raises(UsageError, match="from 2 to 10"):
        duration_s("--for", text, 2, 10)
