# SPDX-License-Identifier: MIT
"""Times as people write them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from trafficmon.errors import UsageError
from trafficmon.when import time_ns

NOW = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def two_hours_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "XXX-2")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("1h", "2026-03-05T11:00:00"),
        ("90", "2026-03-05T11:58:30"),
        ("13:30", "2026-03-05T11:30:00"),
        ("14:00:00", "2026-03-05T12:00:00"),
        ("14:00:01", "2026-03-04T12:00:01"),  # still to come today
        ("22:00", "2026-03-04T20:00:00"),
        ("yesterday 03:12", "2026-03-04T01:12:00"),
        ("2026-01-31T22:00:00Z", "2026-01-31T22:00:00"),
        ("2026-01-31 22:00", "2026-01-31T20:00:00"),
        ("2026-01-31T22:00:00+05:00", "2026-01-31T17:00:00"),
    ],
)
def test_times(text: str, utc: str) -> None:
    found = time_ns("--at", text, round(NOW.timestamp() * 1e9))
    assert datetime.fromtimestamp(found / 1e9, UTC).replace(tzinfo=None).isoformat() == utc


@pytest.mark.parametrize("text", ["", "x", "25:00", "12:60", "2026-13-01", "tomorrow 1:00", "-5m"])
def test_what_is_no_time_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(UsageError, match=r"--at: .*yesterday 03:12"):
        time_ns("--at", text, round(NOW.timestamp() * 1e9))
