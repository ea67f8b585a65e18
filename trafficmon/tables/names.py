# SPDX-License-Identifier: MIT
"""Names that the tables put to numbers, remembered from one reading to the next.

What is there is asked for; what has gone, the kernel's programs have noted.
"""

from __future__ import annotations

from functools import cache

from trafficmon.host.cgroup_tree import CgroupTree
from trafficmon.host.cgroups import in_namespace, version_2_root
from trafficmon.host.processes import ProcessName, ProcessNames
from trafficmon.host.users import UserNames
from trafficmon.reader.labels import Labels
from trafficmon.reader.merge import Records
from trafficmon.records import text_of


@cache
def _users() -> UserNames:
    return UserNames()


@cache
def _processes() -> ProcessNames:
    return ProcessNames()


@cache
def _cgroups() -> CgroupTree:
    return CgroupTree(version_2_root())


class Names:
    """Of users, cgroups and processes; None where nobody can tell."""

    def __init__(self, labels: Labels | None) -> None:
        self._labels = labels

    def user(self, uid: int) -> str | None:
        """In the user database of this host."""
        return _users().name(uid)

    def comm(self, owner: Records) -> str | None:
        """The name that the process (OWNER) goes by now, or went by when last seen."""
        known = _processes().name(int(owner["pid"]), int(owner["started_ns"]))
        return (known.comm if known else None) or text_of(owner["comm"]) or None

    def process(self, owner: Records, owner_id: int) -> ProcessName:
        """All that is known of a process (OWNER)."""
        known = _processes().name(int(owner["pid"]), int(owner["started_ns"]))
        if known is not None:
            return known
        noted = self._labels.process(owner_id) if self._labels else None
        exe, cmdline = (noted.exe, noted.cmdline) if noted else (None, None)
        return ProcessName(text_of(owner["comm"]) or None, exe, cmdline)

    def cgroup(self, cgroup_id: int) -> str | None:
        """Its path, below the root of the hierarchy, or of the cgroup namespace that we are in."""
        path = _cgroups().path(cgroup_id)
        if path is not None or self._labels is None:
            return path
        noted = self._labels.cgroup(cgroup_id)
        above = _above_namespace(self._labels) if noted is not None and in_namespace() else ""
        return noted.removeprefix(above) if noted is not None else None


def _above_namespace(labels: Labels) -> str:
    """What paths that were noted have in front of ours: as a cgroup that is still there has it."""
    for number, path in _cgroups().known().items():
        noted = labels.cgroup(number)
        if noted is not None and noted.endswith(path):
            return noted.removesuffix(path)
    return ""
