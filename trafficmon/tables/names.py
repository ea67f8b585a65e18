# SPDX-License-Identifier: MIT
"""Names that the tables put to numbers, remembered from one reading to the next.

What is there is asked for; what has gone, the kernel's programs have noted.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from trafficmon.host.cgroup_tree import CgroupTree
from trafficmon.host.cgroups import in_namespace, version_2_root
from trafficmon.host.processes import ProcessNames
from trafficmon.host.users import UserNames
from trafficmon.layout import OWNER
from trafficmon.model.groups import Records
from trafficmon.model.labels import LONGER, ProcessLabel
from trafficmon.model.names import ProcessName
from trafficmon.reader.labels import Labels
from trafficmon.records import text_of

if TYPE_CHECKING:
    from trafficmon.model.owners import Owners


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

    def cgroup(self, cgroup_id: int) -> str | None:
        """Its path, below the root of the hierarchy, or of the cgroup namespace that we are in."""
        path = _cgroups().path(cgroup_id)
        if path is not None or self._labels is None:
            return path
        noted = self._labels.cgroup(cgroup_id)
        if noted is None or not in_namespace():
            return noted
        return noted.removeprefix(_above_namespace(noted, self._labels))


class OwnerNames:
    """Names of a reading's owners, by their rows.

    All that has to be asked for is asked for when this is made. So a table tells the same names
    however late it is shown, and after the processes have ended and the reading is closed.
    """

    def __init__(self, owners: Owners | None, labels: Labels) -> None:
        names = Names(labels)
        self._records: Records = np.zeros(0, OWNER) if owners is None else owners.records
        self._processes = _asked_now(self._records)
        uids, groups = (np.unique(self._records[n]).tolist() for n in ("uid", "cgroup_id"))
        self._users = {uid: names.user(uid) for uid in uids}
        self._cgroups = {number: names.cgroup(number) for number in groups}

    def user(self, row: int) -> str | None:
        """In the user database of this host."""
        return self._users[int(self._records["uid"][row])]

    def comm(self, row: int) -> str | None:
        """The name that the process goes by, or went by when it ended."""
        known = self._processes.get(row)
        if known is not None and known.is_running and known.comm:
            return known.comm
        noted = text_of(self._records["comm"][row])
        return noted or (known.comm if known else None) or None

    def process(self, row: int, noted: ProcessLabel | None) -> ProcessName:
        """All that is known of the process; ``noted`` by the kernel's programs.

        What runs is looked at. Of what has ended the last look holds, unless another program was
        started since: the kernel's programs have noted that.
        """
        known, comm = self._processes.get(row), self.comm(row)
        if noted is None:
            noted = ProcessLabel(None, None)
        if known is None or not (known.is_running or _is_of(known, noted)):
            return ProcessName(comm, noted.exe, noted.cmdline)
        return ProcessName(comm, known.exe or noted.exe, known.cmdline or noted.cmdline)

    def cgroup(self, row: int) -> str | None:
        """See Names."""
        return self._cgroups[int(self._records["cgroup_id"][row])]


def _asked_now(records: Records) -> dict[int, ProcessName]:
    """Of those that run, and those that ran when they were last asked for. Most may have ended."""
    processes = _processes()
    running = processes.running() if len(records) else frozenset()
    found = {}
    pairs = zip(records["pid"].tolist(), records["started_ns"].tolist(), strict=True)
    for row, (pid, started_ns) in enumerate(pairs):
        tell = processes.name if pid in running else processes.remembered
        if (known := tell(pid, started_ns)) is not None:
            found[row] = known
    return found


def _is_of(known: ProcessName, noted: ProcessLabel) -> bool:
    """Whether both can be of one program: what is noted may be cut, and then ends in "…"."""
    for seen, cut in ((known.exe, noted.exe), (known.cmdline, noted.cmdline)):
        if seen and cut and LONGER not in cut and seen != cut:
            return False
    begin = (noted.cmdline or "").partition(LONGER)[0]
    return not known.cmdline or known.cmdline.startswith(begin)


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
