# SPDX-License-Identifier: MIT
"""Clocks: the kernel's own ones and the wall.

A time namespace (Linux 5.6, time_namespaces(7)) adds offsets to CLOCK_MONOTONIC and CLOCK_BOOTTIME
as its processes read them, and to the start times in /proc. What BPF programs note is without
these. So whatever is compared with the kernel's times is read here.
"""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

_CLOCK_MONOTONIC_COARSE = 6  # include/uapi/linux/time.h; Python has no name for it


def jiffy_ns() -> int:
    """Length of a jiffy: the coarse clocks advance with them, and say so (KTIME_LOW_RES)."""
    return round(time.clock_getres(_CLOCK_MONOTONIC_COARSE) * 1e9)


def monotonic_ns() -> int:
    """CLOCK_MONOTONIC as the kernel has it: what bpf_ktime_get_ns() gives."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) - namespace_offset_ns("monotonic")


def wall_minus_monotonic_ns() -> int:
    """What to add to the kernel's CLOCK_MONOTONIC to get CLOCK_REALTIME, now."""
    before = monotonic_ns()
    wall = time.clock_gettime_ns(time.CLOCK_REALTIME)
    after = monotonic_ns()
    return wall - (before + after) // 2


@cache
def namespace_offset_ns(name: str, proc: Path = Path("/proc/self")) -> int:
    """What this process's time namespace adds to a clock ("monotonic", "boottime").

    The file holds the offsets of the namespace of our children. Before Linux 6.0 exec did not move
    a process there, so it may be another than our own: then the offsets are not ours.
    """
    try:
        own, childrens = ((proc / "ns" / one).readlink() for one in ("time", "time_for_children"))
        lines = (
            (proc / "timens_offsets").read_text("ascii").splitlines() if own == childrens else []
        )
    except OSError:  # before 5.6
        return 0
    for line in lines:
        clock, seconds, nanoseconds = line.split()
        if clock == name:
            return int(seconds) * 1_000_000_000 + int(nanoseconds)
    return 0
