# SPDX-License-Identifier: MIT
"""Times as people write them: 22:00, yesterday 03:12, 1h ago as 1h, RFC 3339."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from trafficmon.errors import invalid_value
from trafficmon.quantities import seconds_of

_CLOCK = re.compile(r"(yesterday\s+)?([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?")
_FORMS = "1h for an hour before, 22:00, yesterday 03:12, or 2026-01-31T22:00:00Z"


def time_ns(option: str, text: str, now_ns: int) -> int:
    """Nanoseconds since 1970 of ``text``, as said at ``now_ns``; UsageError that names ``option``.

    Times of day, and dates without an offset from UTC, are those of this machine's time zone. A
    time of day that is still to come today is yesterday's.
    """
    text = text.strip()
    if (ago_s := seconds_of(text)) is not None:
        return now_ns - round(ago_s * 1e9)
    try:
        moment = _on_the_clock(text, now_ns) or datetime.fromisoformat(text)
        return round(moment.timestamp() * 1e9)
    except (ValueError, OverflowError, OSError):
        raise invalid_value(option, text, _FORMS) from None


def _on_the_clock(text: str, now_ns: int) -> datetime | None:
    """A time of day; None where ``text`` is something else."""
    found = _CLOCK.fullmatch(text)
    if found is None:
        return None
    now = datetime.fromtimestamp(now_ns / 1e9).astimezone()
    hour, minute, second = int(found[2]), int(found[3]), int(found[4] or 0)
    moment = datetime(now.year, now.month, now.day, hour, minute, second)  # noqa: DTZ001 - local
    if found[1] or moment.timestamp() > now_ns / 1e9:
        moment -= timedelta(days=1)
    return moment
