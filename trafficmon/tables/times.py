# SPDX-License-Identifier: MIT
"""Times as records tell them."""

from __future__ import annotations

from datetime import UTC, datetime


def time_text(seconds: float, timespec: str = "milliseconds") -> str:
    """RFC 3339, UTC, milliseconds: as exact as a jiffy."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")
