# SPDX-License-Identifier: MIT
"""Names that the tables put to numbers, remembered from one reading to the next."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from trafficmon.host.cgroup_tree import CgroupTree
from trafficmon.host.cgroups import version_2_root
from trafficmon.host.processes import ProcessNames
from trafficmon.host.users import UserNames


@dataclass(frozen=True)
class Names:
    """Of users, cgroups and processes."""

    users: UserNames = field(default_factory=UserNames)
    processes: ProcessNames = field(default_factory=ProcessNames)
    cgroups: CgroupTree = field(default_factory=lambda: CgroupTree(version_2_root()))


@cache
def known_names() -> Names:
    """The process's own."""
    return Names()
