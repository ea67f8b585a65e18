# SPDX-License-Identifier: MIT
"""Clocks: the kernel's jiffies and the wall."""

from __future__ import annotations

import time

_CLOCK_MONOTONIC_COARSE = 6  # include/uapi/linux/time.h; Python has no name for it


def jiffy_ns() -> int:
    """Length of a jiffy: the coarse clocks advance with them, and say so (KTIME_LOW_RES)."""
    return round(time.clock_getres(_CLOCK_MONOTONIC_COARSE) * 1e9)


def wall_minus_monotonic_ns() -> int:
    """What to add to CLOCK_MONOTONIC to get CLOCK_REALTIME, now."""
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    wall = time.clock_gettime_ns(time.CLOCK_REALTIME)
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    return wall - (before + after) // 2
