# SPDX-License-Identifier: MIT
"""Names of users, processes and cgroups, as a source has resolved them for its owners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class ProcessName:
    """None: it may not be read, or is a thread of the kernel."""

    comm: str | None
    exe: str | None
    cmdline: str | None
    is_running: bool = True
    """False: executable and command line are those of when it was last seen running."""


class Names(NamedTuple):
    """Of all owners of a sample: by uid, by cgroup_id, and of processes by owner_id.

    ``processes``: those that ran when the sample was taken, and those that ran when the source last
    looked.
    """

    users: Mapping[int, str | None]
    cgroups: Mapping[int, str | None]
    processes: Mapping[int, ProcessName]
