# SPDX-License-Identifier: MIT
"""Names of processes and cgroups, as our programs have noted them: see bpf/owner/names.bpf.h."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from trafficmon.errors import BpfError
from trafficmon.layout import CGROUP_PATH, PROCESS
from trafficmon.libbpf.map import Map
from trafficmon.reader.merge import Records
from trafficmon.records import record_of, text_of

LONGER = "…"
"""Ends what is longer than what was noted of it."""


@dataclass(frozen=True)
class ProcessLabel:
    """None: it was not to be read."""

    exe: str | None
    cmdline: str | None


@dataclass(frozen=True)
class ProcessLabels:
    """All that is noted of processes: ``ids`` of owners, ascending, and their ``records``."""

    ids: Records
    records: Records

    def of(self, owner_id: int) -> ProcessLabel | None:
        """What process an owner is, or was."""
        place = int(np.searchsorted(self.ids, np.uint64(owner_id)))
        if place == len(self.ids) or self.ids[place] != owner_id:
            return None
        return process_label(self.records[place])


class Labels:
    """Looked up one by one, when somebody asks for a name; or all at once."""

    def __init__(self, processes: Map, cgroup_paths: Map) -> None:
        self._processes, self._cgroup_paths = processes, cgroup_paths

    def process(self, owner_id: int) -> ProcessLabel | None:
        """What process an owner is, or was."""
        raw = _look_up(self._processes, owner_id)
        return None if raw is None else process_label(record_of(raw, PROCESS))

    def processes(self) -> ProcessLabels:
        """All of them, as they are now; none where the map cannot be read."""
        try:
            ids, records = self._processes.read_all(np.dtype("u8"), PROCESS)
        except BpfError:  # a name is not worth failing for
            ids, records = np.zeros(0, "u8"), np.zeros(0, PROCESS)
        order = np.argsort(ids)
        return ProcessLabels(ids[order], records[order])

    def cgroup(self, cgroup_id: int) -> str | None:
        """Its path below the root of the hierarchy, with "/" in front."""
        raw = _look_up(self._cgroup_paths, cgroup_id)
        return None if raw is None else path_of(record_of(raw, CGROUP_PATH)["parts"])


def _look_up(source: Map, key: int) -> bytes | None:
    try:
        return source.lookup(struct.pack("=Q", key))
    except BpfError:  # a name is not worth failing for
        return None


def process_label(record: Records) -> ProcessLabel:
    """PROCESS as text."""
    arguments = bytes(record["arguments"]).rstrip(b"\0").replace(b"\0", b" ")
    room = record["arguments"].size - 1
    cmdline = arguments.decode(errors="surrogateescape") + (
        LONGER if len(arguments) >= room else ""
    )
    exe = path_of(record["exe"])
    return ProcessLabel(None if exe == "/" else exe, cmdline or None)


def path_of(parts: Records) -> str:
    """A path of its parts, the last of which is first; cut ones end in "…"."""
    names: list[str] = []
    room = parts.shape[1] - 1
    for part in parts:
        name = text_of(part)
        if not name:
            return "/" + "/".join(reversed(names))
        names.append(name + (LONGER if len(name.encode(errors="surrogateescape")) >= room else ""))
    return LONGER + "/" + "/".join(reversed(names))
