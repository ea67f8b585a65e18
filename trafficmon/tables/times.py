# SPDX-License-Identifier: MIT
"""Times as they are in records."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np


def time_text(seconds: float, timespec: str = "milliseconds") -> str:
    """RFC 3339, UTC, milliseconds: as exact as a jiffy."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")


def time_texts(seconds: Sequence[float]) -> list[str]:
    """As time_text() of each, all at once: rounded as datetime does, to even microseconds."""
    fraction, whole = np.modf(np.asarray(seconds, float))
    microseconds = whole.astype(np.int64) * 1_000_000 + np.rint(fraction * 1e6).astype(np.int64)
    moments = (microseconds // 1000).astype("datetime64[ms]")
    return [f"{text}Z" for text in np.datetime_as_string(moments).tolist()]
