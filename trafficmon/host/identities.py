# SPDX-License-Identifier: MIT
"""Names that this machine gives to users, processes and cgroups, and for how long they hold.

One object lives as long as the source that it belongs to. What it remembers is bounded, and looked
up again when it may have changed, so a dashboard that runs for months neither grows nor shows old
names.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import numpy as np

from trafficmon.host.cgroup_tree import CgroupTree
from trafficmon.host.cgroups import in_namespace, version_2_root
from trafficmon.host.kernel_symbols import KernelSymbols
from trafficmon.host.processes import ProcessNames
from trafficmon.host.users import UserNames
from trafficmon.model.groups import Records
from trafficmon.model.names import Names, ProcessName
from trafficmon.model.owners import Owners
from trafficmon.records import text_of

NotedCgroup = Callable[[int], str | None]
"""The path of a cgroup as the kernel's programs noted it: see reader/labels.py."""


class Identities:
    """Used by one thread at a time."""

    def __init__(self) -> None:
        self.users, self.processes = UserNames(), ProcessNames()
        self._modules: tuple[str, ...] | None = None
        self._symbols: KernelSymbols | None = None

    @cached_property
    def cgroups(self) -> CgroupTree:
        """The hierarchy, where one is mounted."""
        return CgroupTree(version_2_root())

    def names(self, owners: Owners | None, noted: NotedCgroup) -> Names:
        """Of all ``owners``, as they are now."""
        if owners is None:
            return Names({}, {}, {})
        records = owners.records
        return Names(
            {uid: self.users.name(uid) for uid in np.unique(records["uid"]).tolist()},
            {
                number: self.cgroup(number, noted)
                for number in np.unique(records["cgroup_id"]).tolist()
            },
            self._processes_of(owners),
        )

    def _processes_of(self, owners: Owners) -> dict[int, ProcessName]:
        """Those that run, and those that ran at the last look. Most owners may have ended.

        Names that no owner has any more are dropped.
        """
        running = self.processes.running() if len(owners.ids) else frozenset()
        columns = owners.records["pid"].tolist(), owners.records["started_ns"].tolist()
        keys = list(zip(*columns, strict=True))
        found = {}
        for owner_id, (pid, started_ns) in zip(owners.ids.tolist(), keys, strict=True):
            look = self.processes.name if pid in running else self.processes.remembered
            if (known := look(pid, started_ns)) is not None:
                found[owner_id] = known
        self.processes.keep_only(set(keys))
        return found

    def comm(self, owner: Records) -> str | None:
        """The name that the process (OWNER) has now, or had when it was last seen."""
        known = self.processes.name(int(owner["pid"]), int(owner["started_ns"]))
        return (known.comm if known else None) or text_of(owner["comm"]) or None

    def cgroup(self, cgroup_id: int, noted: NotedCgroup) -> str | None:
        """Its path, below the root of the hierarchy, or of the cgroup namespace that we are in."""
        path = self.cgroups.path(cgroup_id)
        if path is not None:
            return path
        noted_path = noted(cgroup_id)
        if noted_path is None or not in_namespace():
            return noted_path
        return noted_path.removeprefix(self._above_namespace(noted_path, noted))

    def _above_namespace(self, noted_path: str, noted: NotedCgroup) -> str:
        """What ``noted_path`` has in front of our paths.

        As a cgroup has it that is still there, else as its own parents have it that are.
        """
        known = self.cgroups.known()
        for number, path in known.items():
            of_known = noted(number)
            if of_known is not None and of_known.endswith(path):
                return of_known.removesuffix(path)
        there = set(known.values())
        *parents, _ = noted_path.split("/")
        for at in range(1, len(parents)):
            if "/".join(["", *parents[at:]]) in there:
                return "/".join(parents[:at])
        return ""

    def kernel_function(self, address: int) -> str:
        """The function at ``address``; the long list is read again when modules came or went."""
        modules = _kernel_modules()
        if self._symbols is None or modules != self._modules:
            self._symbols, self._modules = KernelSymbols(), modules
        return self._symbols.name(address)


def _kernel_modules() -> tuple[str, ...]:
    with suppress(FileNotFoundError):  # a kernel without modules
        lines = Path("/proc/modules").read_text(encoding="utf-8").splitlines()
        return tuple(line.partition(" ")[0] for line in lines)
    return ()
