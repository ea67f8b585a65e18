# SPDX-License-Identifier: MIT
"""Names of users, processes and cgroups, as a source has resolved them for its owners."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ProcessName:
    """None: it may not be read, or is a thread of the kernel."""

    comm: str | None
    exe: str | None
    cmdline: str | None
    is_running: bool = True
    """False: executable and command line are those of when it was last seen running."""
