# SPDX-License-Identifier: MIT
"""The shared maps: made and pinned by the first attach, opened by all that follow.

meta is pinned last, so a pin directory without it is a half-finished attach and nothing else.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any, Self

import numpy as np

from trafficmon import __version__, objects
from trafficmon.hook_registry import HOST_KINDS
from trafficmon.host import clock, netns
from trafficmon.layout import (
    CLOCK,
    EVENT_KINDS,
    FLOW_SET,
    HOOK_COUNTERS,
    HOOKS,
    INTERFACE,
    INTERFACE_ROWS,
    LAYERS,
    LAYOUT_VERSION,
    MAGIC,
    META,
)
from trafficmon.libbpf.map import Map
from trafficmon.libbpf.object import Object, test_run
from trafficmon.libbpf.system import possible_cpus
from trafficmon.pinned import open_map
from trafficmon.pins import MAPS, PinDirectory
from trafficmon.records import FIRST_KEY, record_of, require_layout, set_text, slot_key

SERVICE_SLOTS = 256
_CACHE_BYTES = 16 << 20  # of all CPUs together
_FEWEST_SETS, _MOST_SETS = 128, 2048
_FEWEST_INTERFACES, _MOST_INTERFACES = 64, 1024
_COUNTER_BYTES = 16 << 20  # of all CPUs and interfaces, before more are requested at once
_INTERFACE_BYTES = INTERFACE_ROWS * HOOKS * HOOK_COUNTERS.itemsize  # on a CPU
_SMALLEST_FRAME = bytes(64)


@dataclass(frozen=True)
class Geometry:
    """Sizes of the maps."""

    cpus: int
    flow_sets: int
    max_flows: int
    max_interfaces: int

    @classmethod
    def choose(cls, max_flows: int, interfaces: int) -> Self:
        """Sizes for this machine.

        The caches of all CPUs together stay below 16 MiB, except where that would leave a CPU
        fewer than 128 sets.
        """
        cpus = possible_cpus()
        sets = _MOST_SETS
        while sets > _FEWEST_SETS and sets * cpus * FLOW_SET.itemsize > _CACHE_BYTES:
            sets //= 2
        room = min(_MOST_INTERFACES, _COUNTER_BYTES // (cpus * _INTERFACE_BYTES))
        return cls(cpus, sets, max_flows, max(_FEWEST_INTERFACES, room, 2 * interfaces))

    def map_entries(self) -> dict[str, int]:
        """max_entries by map."""
        return {
            "flows": self.max_flows,
            "flow_cache": self.flow_sets * self.cpus,
            "service_cache": SERVICE_SLOTS * self.cpus,
            "hook_counters": self.max_interfaces * INTERFACE_ROWS * HOOKS * self.cpus,
            "ledger": self.cpus,
            "layers": LAYERS * self.cpus,
            "event_counts": EVENT_KINDS * self.cpus,
            "interfaces": self.max_interfaces,
        }


class Store:
    """The shared maps, open; close() lets go of them, the pins keep them."""

    def __init__(self, pins: PinDirectory, maps: dict[str, Map]) -> None:
        self.pins = pins
        self.maps = maps
        self.turn = Lock()  # of threads that attach side by side: who has it works

    @classmethod
    def open(cls, pins: PinDirectory) -> Self:
        """What is pinned. LayoutError when another version pinned it, NotOursError: a stranger."""
        pins.require_ours()
        with ExitStack() as cleanup:
            meta = cleanup.enter_context(open_map(pins, "meta"))
            require_layout(meta.lookup(FIRST_KEY), pins.root)  # before maps it may not have
            maps = {"meta": meta}
            for name in MAPS:
                if name != "meta":
                    maps[name] = cleanup.enter_context(open_map(pins, name))
            cleanup.pop_all()
        return cls(pins, maps)

    @classmethod
    def create(cls, pins: PinDirectory, geometry: Geometry, group_id: int) -> Self:
        """New maps, pinned; a failure leaves none of the pins behind."""
        with ExitStack() as cleanup, Object(objects.path_of("tc")) as loader:
            loader.keep_only("tm_clock")
            loader.set_map_entries(geometry.map_entries())
            loader.load()
            maps = {name: loader.map(name) for name in MAPS}
            for held in maps.values():
                cleanup.callback(held.close)
            meta = _describe(geometry, group_id, _read_clock(loader))
            maps["meta"].update(FIRST_KEY, meta)
            pins.make()
            for name in MAPS:
                maps[name].pin(str(pins.map(name)))
                cleanup.callback(pins.map(name).unlink, missing_ok=True)
            cleanup.pop_all()
        return cls(pins, maps)

    @contextmanager
    def let_others_work(self) -> Iterator[None]:
        """While inside, for what takes long in the kernel, other threads may use the store."""
        if not self.turn.locked():  # there are none
            yield
            return
        self.turn.release()
        try:
            yield
        finally:
            self.turn.acquire()

    def close(self) -> None:
        """Let go of the maps."""
        for held in self.maps.values():
            held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def meta(self) -> Any:
        """The record of META."""
        return record_of(self.maps["meta"].lookup(FIRST_KEY), META)

    def set_group(self, group_id: int) -> None:
        """Note which group reads."""
        meta = self.meta()
        meta["group_id"] = group_id
        self.maps["meta"].update(FIRST_KEY, meta.tobytes())

    def set_cgroup(self, path: str) -> None:
        """Note which cgroup is watched."""
        meta = self.meta()
        set_text(meta, "cgroup", path)
        self.maps["meta"].update(FIRST_KEY, meta.tobytes())

    def host_hook(self, kind: str) -> Any:
        """What is noted of a hook of the host; program_id 0: it is not attached."""
        return self.meta()["host_hooks"][HOST_KINDS.index(kind)]

    def set_host_hook(self, kind: str, numbers: tuple[int, int], cgroup_id: int) -> None:
        """Note program and link of a hook of the host, and the cgroup that it watches, or 0."""
        meta = self.meta()
        meta["host_hooks"][HOST_KINDS.index(kind)] = (*numbers, cgroup_id)
        self.maps["meta"].update(FIRST_KEY, meta.tobytes())

    def geometry(self) -> Geometry:
        """The sizes that the maps were made with."""
        meta = self.meta()
        return Geometry(
            int(meta["cpus"]),
            int(meta["flow_sets"]),
            int(meta["max_flows"]),
            int(meta["max_interfaces"]),
        )

    def constants(self) -> dict[str, int]:
        """What every program has to know of sizes, time and hashing."""
        meta = self.meta()
        return {
            "tm_cpus": int(meta["cpus"]),
            "tm_flow_sets": int(meta["flow_sets"]),
            "tm_service_slots": int(meta["service_slots"]),
            "tm_flush_jiffies": self.second_jiffies(),
            "tm_second_jiffies": self.second_jiffies(),
            "tm_seed": int(meta["seed"]),
        }

    def second_jiffies(self) -> int:
        """How many jiffies a second has."""
        return 1_000_000_000 // int(self.meta()["jiffy_ns"])

    def interface(self, slot: int) -> Any:
        """The record of INTERFACE in ``slot``."""
        return record_of(self.maps["interfaces"].lookup(slot_key(slot)), INTERFACE)

    def set_interface(self, slot: int, record: Any) -> None:
        """Write the record of ``slot``."""
        self.maps["interfaces"].update(slot_key(slot), record.tobytes())

    def is_of_this_namespace(self) -> bool:
        """Whether its interfaces are those that this process sees."""
        meta = self.meta()
        return netns.is_this(int(meta["netns_inode"]), int(meta["netns_cookie"]))

    def interfaces(self) -> dict[int, Any]:
        """The used slots."""
        records = self.maps["interfaces"].read_array(INTERFACE)
        return {int(slot): records[slot] for slot in np.flatnonzero(records["state"])}


def _read_clock(loader: Object) -> Any:
    with loader.program("tm_clock") as program, loader.map("clock") as clock_map:
        test_run(program, _SMALLEST_FRAME)
        return record_of(clock_map.lookup(FIRST_KEY), CLOCK)


def _describe(geometry: Geometry, group_id: int, now: Any) -> bytes:
    meta = np.zeros(1, META)[0]
    meta["magic"] = MAGIC
    meta["layout_version"] = LAYOUT_VERSION
    meta["layout_bytes"] = META.itemsize
    meta["cpus"] = geometry.cpus
    meta["flow_sets"] = geometry.flow_sets
    meta["service_slots"] = SERVICE_SLOTS
    meta["max_flows"] = geometry.max_flows
    meta["max_interfaces"] = geometry.max_interfaces
    meta["netns_inode"] = netns.inode()
    meta["netns_cookie"] = netns.cookie()
    meta["attached_at_ns"] = time.time_ns()
    meta["jiffies_at"] = now["jiffies"]
    meta["monotonic_ns_at"] = now["monotonic_ns"]
    meta["jiffy_ns"] = clock.jiffy_ns()
    meta["seed"] = secrets.randbits(64) | 1
    meta["group_id"] = group_id
    set_text(meta, "program_version", __version__)
    return bytes(meta.tobytes())
