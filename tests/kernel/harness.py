# SPDX-License-Identifier: MIT
"""Our programs loaded into the kernel with maps of their own, attached to nothing."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Self

import numpy as np

from tests.kernel.bpf_calls import delete_many
from trafficmon import objects
from trafficmon.host import clock
from trafficmon.layout import (
    EVENT_KINDS,
    FLOW_KEY,
    FLOW_SET,
    HOOK_COUNTERS,
    HOOKS,
    SERVICE_KEY,
    SERVICE_SLOT,
    Hook,
)
from trafficmon.libbpf import features
from trafficmon.libbpf._ffi import check, encode, ffi, lib
from trafficmon.libbpf.map import Map
from trafficmon.libbpf.object import Object, Program, Run, test_run
from trafficmon.libbpf.system import possible_cpus
from trafficmon.model.flows import Flows
from trafficmon.model.services import Services
from trafficmon.reader.flows import read_flows
from trafficmon.reader.services import read_services
from trafficmon.uapi import Helper, ProgramType

PROGRAMS = {
    Hook.XDP_RX: ("xdp", "tm_xdp_rx", 2),  # XDP_PASS
    Hook.TC_RX: ("tc", "tm_tc_rx", 0xFFFFFFFF),  # TC_ACT_UNSPEC, -1
    Hook.TC_TX: ("tc", "tm_tc_tx", 0xFFFFFFFF),
}
SERVICE_SLOTS = 256
ROW = 1
FIRST_INTERFACE = 300
"""What flows are marked with beside the row that they count in: by no chance the same."""
INTERFACES = 2
_SKB_BYTES = 184  # struct __sk_buff, include/uapi/linux/bpf.h
_INGRESS_IFINDEX_AT, _GSO_SEGS_AT, _GSO_SIZE_AT = 36, 164, 176


def context_of(*, gso_size: int = 0, gso_segs: int = 0, ingress_ifindex: int = 0) -> bytes:
    """A struct __sk_buff with what BPF_PROG_TEST_RUN takes from it."""
    context = bytearray(_SKB_BYTES)
    struct.pack_into("=I", context, _INGRESS_IFINDEX_AT, ingress_ifindex)
    struct.pack_into("=I", context, _GSO_SEGS_AT, gso_segs)
    struct.pack_into("=I", context, _GSO_SIZE_AT, gso_size)
    return bytes(context)


def hash_table(name: str, key_bytes: int, value_bytes: int, entries: int) -> Map:
    """A plain hash table: in an LRU's place it says when it is full, instead of evicting."""
    made = lib.bpf_map_create(1, encode(name), key_bytes, value_bytes, entries, ffi.NULL)
    return Map(check(made, "make", f"map {name}"), name)


class Harness:
    """One program, ready for frames.

    ``flow_sets``: size of the flow cache. ``sizes`` and ``constants``: further ones, by name.
    ``shared``: maps to use instead of new ones, such as another harness's.
    """

    def __init__(
        self,
        hook: Hook,
        *,
        flow_sets: int = 64,
        max_flows: int = 65536,
        row: int = ROW,
        sizes: Mapping[str, int] | None = None,
        constants: Mapping[str, int] | None = None,
        shared: Mapping[str, Map] | None = None,
    ) -> None:
        self.hook, self.row = hook, row
        source, name, self.answer = PROGRAMS[hook]
        self._open = ExitStack()
        self.maps: dict[str, Map] = {}
        cpus = possible_cpus()
        with Object(objects.path_of(source)) as loader:
            if source == "xdp" and features.has_helper(ProgramType.XDP, Helper.XDP_GET_BUFF_LEN):
                loader.allow_frames_of_several_buffers()
            loader.keep_only(name)
            loader.set_map_entries(
                {
                    "flows": max_flows,
                    "flow_cache": flow_sets * cpus,
                    "service_cache": SERVICE_SLOTS * cpus,
                    "hook_counters": INTERFACES * HOOKS * cpus,
                    "ledger": cpus,
                    "interfaces": INTERFACES,
                    "event_counts": EVENT_KINDS * cpus,
                    "dns_scratch": cpus,
                    **(sizes or {}),
                }
            )
            loader.reuse_maps(shared or {})
            loader.set_constants(
                {
                    "tm_row": row,
                    "tm_interface_id": FIRST_INTERFACE + row,
                    "tm_cpus": cpus,
                    "tm_flow_sets": flow_sets,
                    "tm_service_slots": SERVICE_SLOTS,
                    "tm_flush_jiffies": 1_000_000_000 // clock.jiffy_ns(),
                    "tm_seed": 0x243F6A8885A308D3,
                    **(constants or {}),
                }
            )
            loader.load()
            self.program: Program = self._open.enter_context(loader.program(name))
            for map_name in loader.maps():
                if "." not in map_name:  # data sections
                    self.maps[map_name] = self._open.enter_context(loader.map(map_name))
        self._clean_flow_cache = self.maps["flow_cache"].read_array(FLOW_SET)
        self._clean_service_cache = self.maps["service_cache"].read_array(SERVICE_SLOT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def run(self, frame: bytes, repeat: int = 1, context: bytes = b"") -> Run:
        """Through the program; fails the test if it answered or changed anything."""
        ran = test_run(self.program, frame, repeat, context=context)
        assert ran.result == self.answer, f"answered {ran.result} to {frame.hex()}"
        assert ran.data == frame, f"changed {frame.hex()} to {ran.data.hex()}"
        return ran

    def flows(self) -> Flows:
        """What has been counted."""
        return read_flows(self.maps["flows"], self.maps["flow_cache"])

    def services(self) -> Services:
        """What has been counted, by service."""
        return read_services(self.maps["services"], self.maps["service_cache"])

    def totals(self) -> Any:
        """This hook's HOOK_COUNTERS, all CPUs."""
        cpus = possible_cpus()
        shape = (INTERFACES, HOOKS, cpus)
        cells = self.maps["hook_counters"].read_array(HOOK_COUNTERS).reshape(shape)
        mine = cells[self.row, self.hook]
        total = np.zeros(1, HOOK_COUNTERS)[0]
        for field in HOOK_COUNTERS.names or ():
            total[field] = mine[field].sum(axis=0)
        return total

    def forget(self) -> None:
        """Empty flows and services, caches included; fragments and totals stay."""
        for name, key in (("flows", FLOW_KEY), ("services", SERVICE_KEY)):
            table = self.maps[name]
            value = np.dtype((np.void, table.facts().value_bytes))
            keys, _ = table.read_all(key, value)
            if len(keys):
                assert delete_many(table, keys) == len(keys)
        for name, clean in (
            ("flow_cache", self._clean_flow_cache),
            ("service_cache", self._clean_service_cache),
        ):
            indexes = np.arange(len(clean), dtype=np.uint32)
            self.maps[name].update_many(indexes, clean)
