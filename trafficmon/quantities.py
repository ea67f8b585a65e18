# SPDX-License-Identifier: MIT
"""Durations and sizes as people write them: 90, 60s, 5m, 1h, 100M."""

from __future__ import annotations

import re
from collections.abc import Mapping

from trafficmon.errors import invalid_value

_SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"": 1, "k": 1000, "M": 10**6, "G": 10**9, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
_FORM = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)")


def duration_s(option: str, text: str, low_s: float, high_s: float) -> float:
    """Seconds; UsageError that names ``option`` unless they are one of ``low_s`` to ``high_s``."""
    return _quantity(option, text, _SECONDS, low_s, high_s, "seconds, or with ms, s, m, h or d")


def seconds_of(text: str) -> float | None:
    """Seconds; None where ``text`` is not a duration."""
    return _value(text, _SECONDS)


def size_bytes(option: str, text: str, low: int, high: int) -> int:
    """Bytes, as duration_s()."""
    return int(_quantity(option, text, _BYTES, low, high, "bytes, or with k, M, G, Ki, Mi or Gi"))


def _quantity(
    option: str, text: str, units: Mapping[str, float], low: float, high: float, form: str
) -> float:
    value = _value(text, units)
    if value is None:
        raise invalid_value(option, text, f"a number of {form}")
    if not low <= value <= high:
        raise invalid_value(option, text, f"from {low:g} to {high:g} {form}")
    return value


def _value(text: str, units: Mapping[str, float]) -> float | None:
    found = _FORM.fullmatch(text.strip())
    if found is None or found[2] not in units:
        return None
    return float(found[1]) * units[found[2]]
