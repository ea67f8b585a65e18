# SPDX-License-Identifier: MIT
"""The capture's programs with maps of their own, attached to nothing: frames in, samples out."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Self

import numpy as np

from trafficmon import objects
from trafficmon.capture.steps import Steps, steps_of
from trafficmon.filter.parser import parse
from trafficmon.host import clock
from trafficmon.layout import EVENT_COUNTS, MATCH_STEPS, SAMPLE, Hook
from trafficmon.libbpf.map import Map
from trafficmon.libbpf.object import Object, Program, test_run
from trafficmon.libbpf.ring import RingBuffer
from trafficmon.libbpf.system import possible_cpus
from trafficmon.records import slot_key

INTERFACES = 3
PROGRAMS = {Hook.TC_RX: "tm_capture_rx", Hook.TC_TX: "tm_capture_tx"}
ANSWER = 0xFFFFFFFF  # TC_ACT_UNSPEC
INTERFACE_IDS = (600, 602, 604)
COUNTED_ID = 702
"""What the counting programs mark flows with; odd: the one beside it."""
NAMED = dict(zip(("eth0", "eth1", "wlan0"), INTERFACE_IDS, strict=True))


class Captured:
    """A sample: its head (SAMPLE) and the bytes that follow."""

    def __init__(self, record: bytes) -> None:
        self.head: Any = np.frombuffer(record[: SAMPLE.itemsize], SAMPLE)[0]
        self.data = record[SAMPLE.itemsize :][: int(self.head["copied"])]


class Capture:
    """Both programs, for one interface, with a filter that can be changed."""

    def __init__(
        self,
        *,
        row: int = 1,
        constants: Mapping[str, int] | None = None,
        cgroups: Mapping[str, int] | None = None,
    ) -> None:
        self._open = ExitStack()
        self._cgroups = cgroups or {}
        self.row = row
        self.records: list[bytes] = []
        cpus = possible_cpus()
        with Object(objects.path_of("capture")) as loader:
            cells = ("sample_scratch", "match_packet", "ledger", "event_counts", "owner_lookup")
            sizes = dict.fromkeys((*cells, "flow_cache"), cpus)
            loader.set_map_entries({**sizes, "sample_counts": INTERFACES * cpus, "flows": 1024})
            loader.set_constants(
                {
                    "tm_cpus": cpus,
                    "tm_row": row,
                    "tm_interface_id": INTERFACE_IDS[row],
                    "tm_counted_id": COUNTED_ID,
                    "tm_flush_jiffies": 1_000_000_000 // clock.jiffy_ns(),
                    "tm_match_owner": 1,
                    "tm_snap_bytes": 65536,
                    **(constants or {}),
                }
            )
            loader.load()
            self.programs: dict[Hook, Program] = {
                hook: self._open.enter_context(loader.program(name))
                for hook, name in PROGRAMS.items()
            }
            self.maps: dict[str, Map] = {
                name: self._open.enter_context(loader.map(name))
                for name in loader.maps()
                if "." not in name
            }
        self._ring = self._open.enter_context(RingBuffer(self.maps["samples"], self.records.append))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def filter(self, expression: str | None) -> Steps:
        """Let through what matches; None: all."""
        parsed = None if expression is None else parse(expression)
        steps = steps_of(parsed, NAMED, self._cgroups.get)
        self.set_steps(steps.records)
        return steps

    def set_steps(self, records: Any) -> None:
        for index in range(MATCH_STEPS):
            self.maps["match_steps"].update(slot_key(index), records[index].tobytes())

    def run(self, frame: bytes, hook: Hook = Hook.TC_RX, repeat: int = 1) -> list[Captured]:
        """What was captured of it; fails the test if the program answered or changed anything."""
        ran = test_run(self.programs[hook], frame, repeat)
        assert (ran.result, ran.data) == (ANSWER, frame)
        return self.take()

    def run_only(self, frame: bytes, repeat: int) -> None:
        """Without a look at the samples."""
        test_run(self.programs[Hook.TC_RX], frame, repeat)

    def take(self) -> list[Captured]:
        self.records.clear()
        while self._ring.consume(100_000):
            pass
        return [Captured(record) for record in self.records]

    def passes(self, frame: bytes, hook: Hook = Hook.TC_RX) -> bool:
        return len(self.run(frame, hook)) == 1

    def counts(self, row: int | None = None) -> tuple[int, int, int]:
        """Offered, delivered, lost, of an interface."""
        cells = self.maps["sample_counts"].read_array(EVENT_COUNTS).reshape(INTERFACES, -1)
        mine = cells[self.row if row is None else row]
        a, b, c = (int(mine[name].sum()) for name in ("offered", "delivered", "lost"))
        return a, b, c
