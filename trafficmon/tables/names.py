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
        if noted is None or not in_namespace():
            return noted
        return noted.removeprefix(_above_namespace(noted, self._labels))


def _above_namespace(noted: str, labels: Labels) -> str:
    """What ``noted`` has in front of our paths.

    As a cgroup has it that is still there, else as its own parents have it that are.
    """
    known = _cgroups().known()
    for number, path in known.items():
        of_known = labels.cgroup(number)
        if of_known is not None and of_known.endswith(path):
            return of_known.removesuffix(path)
    there = set(known.values())
    *parents, _ = noted.split("/")
    for at in range(1, len(parents)):
        if "/".join(["", *parents[at:]]) in there:
            return "/".join(parents[:at])
    return ""
