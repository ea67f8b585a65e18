# SPDX-License-Identifier: MIT
"""The log's own programs on the watched cgroup, for as long as it is kept; they go with us."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from trafficmon import objects
from trafficmon.attachment.store import Store
from trafficmon.hook_registry import hooks_of
from trafficmon.host.cgroups import Cgroup
from trafficmon.layout import LOG_KEY, LOG_VALUE
from trafficmon.libbpf.link import attach_cgroup
from trafficmon.libbpf.map import Map, Records
from trafficmon.libbpf.object import Object
from trafficmon.records import FIRST_KEY, text_of


class LogTables:
    """What the programs fill: a table for the interval, or a row for each packet."""

    def __init__(self, interval: Map, first: Map, rows: Map) -> None:
        self._interval, self._current, self.rows = interval, first, rows

    def close(self) -> None:
        """Let go of the maps."""
        for one in (self._interval, self._current, self.rows):
            one.close()

    def next_interval(self) -> tuple[Records, Records]:
        """The interval that ends now: LOG_KEY and LOG_VALUE; complete, and no packet is in two.

        The kernel waits, in the update, for programs that may still use the old table.
        """
        fresh = self._current.another()
        self._interval.update(FIRST_KEY, struct.pack("=I", fresh.fd))
        ended, self._current = self._current, fresh
        try:
            keys, values = ended.read_all(LOG_KEY, LOG_VALUE)
            return np.array(keys), np.array(values)
        finally:
            ended.close()


@contextmanager
def logging_programs(store: Store, *, per_packet: bool) -> Iterator[LogTables]:
    """While inside, packets are logged."""
    with ExitStack() as open_:
        cgroup = open_.enter_context(Cgroup(Path(text_of(store.meta()["cgroup"]))))
        loader = open_.enter_context(Object(objects.path_of("userlog")))
        loader.reuse_maps(store.maps)
        loader.set_constants(
            {
                "tm_cpus": store.geometry().cpus,
                "tm_second_jiffies": store.second_jiffies(),
                "tm_log_packets": int(per_packet),
            }
        )
        loader.load()
        maps = [loader.map(name) for name in ("log_interval", "log_first", "log_rows")]
        tables = LogTables(*maps)
        open_.callback(tables.close)
        for hook in hooks_of("userlog"):
            program = open_.enter_context(loader.program(hook.program))
            open_.enter_context(attach_cgroup(program, cgroup.fd, hook.attach_type))
        yield tables
