# SPDX-License-Identifier: MIT
"""Names of a sample's owners, by their rows."""

from __future__ import annotations

import numpy as np

from trafficmon.layout import OWNER
from trafficmon.model.groups import Records
from trafficmon.model.labels import LONGER, ProcessLabel
from trafficmon.model.names import Names, ProcessName
from trafficmon.model.owners import Owners
from trafficmon.records import text_of


class OwnerNames:
    """What the source knew of them, and what the kernel's programs noted."""

    def __init__(self, owners: Owners | None, names: Names) -> None:
        none = Owners(np.zeros(0, np.uint64), np.zeros(0, OWNER))
        self._owners, self._names = owners or none, names

    @property
    def _records(self) -> Records:
        return self._owners.records

    def _known(self, row: int) -> ProcessName | None:
        return self._names.processes.get(int(self._owners.ids[row]))

    def user(self, row: int) -> str | None:
        """In the user database of that host."""
        return self._names.users[int(self._records["uid"][row])]

    def comm(self, row: int) -> str | None:
        """The name that the process has, or had when it ended."""
        known = self._known(row)
        if known is not None and known.is_running and known.comm:
            return known.comm
        noted = text_of(self._records["comm"][row])
        return noted or (known.comm if known else None) or None

    def process(self, row: int, noted: ProcessLabel | None) -> ProcessName:
        """All that is known of the process; ``noted`` by the kernel's programs.

        A running process was looked at. Of one that has ended the last look holds, unless another
        program was started since: the kernel's programs have noted that.
        """
        known, comm = self._known(row), self.comm(row)
        if noted is None:
            noted = ProcessLabel(None, None)
        if known is None or not (known.is_running or _is_of(known, noted)):
            return ProcessName(comm, noted.exe, noted.cmdline)
        return ProcessName(comm, known.exe or noted.exe, known.cmdline or noted.cmdline)

    def cgroup(self, row: int) -> str | None:
        """Its path, below the root of the hierarchy or of the source's cgroup namespace."""
        return self._names.cgroups[int(self._records["cgroup_id"][row])]


def _is_of(known: ProcessName, noted: ProcessLabel) -> bool:
    """Whether both can be of one program: what is noted may be cut, and then ends in "…"."""
    for seen, cut in ((known.exe, noted.exe), (known.cmdline, noted.cmdline)):
        if seen and cut and LONGER not in cut and seen != cut:
            return False
    begin = (noted.cmdline or "").partition(LONGER)[0]
    return not known.cmdline or known.cmdline.startswith(begin)
