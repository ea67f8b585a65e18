# SPDX-License-Identifier: MIT
"""Names of processes and cgroups out of the pinned maps: see bpf/owner/names.bpf.h."""

from __future__ import annotations

import struct

import numpy as np

from trafficmon.errors import BpfError
from trafficmon.layout import CGROUP_PATH, PROCESS
from trafficmon.libbpf.map import Map
from trafficmon.model.labels import ProcessLabel, ProcessLabels, path_of, process_label
from trafficmon.records import record_of


class Labels:
    """Looked up one by one, or all at once."""

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
