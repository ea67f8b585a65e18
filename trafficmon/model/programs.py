# SPDX-License-Identifier: MIT
"""The kernel's facts about attached programs, for `status`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class ProgramRun(NamedTuple):
    """Of a loaded program; the run counters are 0 unless the kernel's statistics are on."""

    id: int
    run_count: int
    run_time_ns: int
    missed_runs: int


class Programs(NamedTuple):
    """``runs``: by hook, and the interface's slot or None; without those that may not be opened.

    ``foreign_xdp``: by slot, the XDP program of another user where ours is off. ``mount_notes``:
    what hides pins from this process, for people.
    """

    has_statistics: bool
    are_readable: bool
    runs: Mapping[tuple[str, int | None], ProgramRun]
    foreign_xdp: Mapping[int, int | None]
    mount_notes: tuple[str, ...]
