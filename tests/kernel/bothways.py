# SPDX-License-Identifier: MIT
"""The two programs of an interface on the same maps, and frames of a flow in either direction."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from tests.corpus import wire
from tests.kernel.harness import Harness
from trafficmon.layout import FLOW, FLOW_KEY, FLOW_SET, LEDGER, Hook
from trafficmon.libbpf.map import Map
from trafficmon.libbpf.system import possible_cpus
from trafficmon.model.flows import Flows

Way = Literal["rx", "tx"]
V4 = (b"\x0a\x00\x00\x02", b"\x0a\x00\x00\x01")
V6 = tuple(bytes.fromhex("fd00000000000001") + bytes(7) + bytes([n]) for n in (2, 1))


@dataclass(frozen=True)
class Flow:
    """As this host sees it; ``addresses`` and ``ports``: local, remote."""

    ports: tuple[int, int] = (53, 40000)
    addresses: tuple[bytes, ...] = V4
    protocol: int = wire.UDP

    def frame(self, way: Way, payload_bytes: int = 20, tcp_flags: int = 0x10) -> bytes:
        """Received ones come from the remote end."""
        order = (1, 0) if way == "rx" else (0, 1)
        source, destination = (self.addresses[end] for end in order)
        ports = self.ports[order[0]], self.ports[order[1]]
        payload = bytes(payload_bytes)
        body = wire.transport(self.protocol, *ports, payload, tcp_flags=tcp_flags)
        if len(source) == 4:
            packet = wire.ipv4(body, self.protocol, (source, destination))
            return wire.link(0x0800, packet) + packet
        packet = wire.ipv6(body, self.protocol, (source, destination))
        return wire.link(0x86DD, packet) + packet

    def of(self, **fields: Any) -> Flow:
        """Another one like it."""
        return replace(self, **fields)


def flow_of(key: Any) -> Flow:
    """Out of the kernel's key."""
    size = 4 if key["flags"] & 1 else 16
    ports = [int(key[f"{end}_port_be"].byteswap()) for end in ("local", "remote")]
    addresses = [key[f"{end}_addr"].tobytes()[:size] for end in ("local", "remote")]
    return Flow((ports[0], ports[1]), tuple(addresses), int(key["protocol"]))


Counted = dict[Flow, tuple[int, int, int, int]]


class BothWays:
    """tc's two programs for one interface. Keeps to one CPU, whose caches these then are."""

    def __init__(self, received: Harness, sent: Harness, cpu: int) -> None:
        self.by_way: dict[Way, Harness] = {"rx": received, "tx": sent}
        self.maps: dict[str, Map] = received.maps
        self.cpu = cpu

    def run(self, flow: Flow, way: Way = "rx", repeat: int = 1, **frame: int) -> int:
        """So many packets of a flow; the bytes of one."""
        data = flow.frame(way, **frame)
        self.by_way[way].run(data, repeat)
        return len(data)

    def forget(self) -> None:
        """Flows and services, with the caches; and what the programs think of their caches."""
        self.by_way["rx"].forget()
        cells = np.zeros(*self._cells())
        self.maps["hook_counters"].update_many(np.arange(len(cells), dtype=np.uint32), cells)

    def _cells(self) -> tuple[int, Any]:
        facts = self.maps["hook_counters"].facts()
        return facts.max_entries, np.dtype((np.void, facts.value_bytes))

    def flows(self) -> Flows:
        """Table and caches."""
        return self.by_way["rx"].flows()

    def counted(self) -> Counted:
        """Of each flow rx_packets, rx_bytes, tx_packets, tx_bytes."""
        flows = self.flows()
        found: Counted = {}
        for key, value in zip(flows.keys, flows.values, strict=True):
            assert flow_of(key) not in found, "a flow in two rows"
            found[flow_of(key)] = counts_of(value)
        return found

    def value(self, flow: Flow) -> Any:
        """The FLOW record of one flow, caches added."""
        flows = self.flows()
        (found,) = (
            value
            for key, value in zip(flows.keys, flows.values, strict=True)
            if flow_of(key) == flow
        )
        return found

    def in_table(self, flow: Flow) -> Any:
        """The FLOW record that the table has, caches left out; None where it has none."""
        keys, values = self.maps["flows"].read_all(FLOW_KEY, FLOW)
        found = [v for k, v in zip(keys, values, strict=True) if flow_of(k) == flow]
        return found[0] if found else None

    def sets(self, cpu: int | None = None) -> Any:
        """The flow cache of this CPU, or another: its sets."""
        all_sets = self.maps["flow_cache"].read_array(FLOW_SET).reshape(possible_cpus(), -1)
        return all_sets[self.cpu if cpu is None else cpu]

    def residents(self) -> list[Flow]:
        """Of a cache of one set: who is in it, way by way."""
        (only,) = self.sets()
        return [flow_of(slot["key"]) for slot in only["way"] if slot["key"]["flags"]]

    def ledger(self, name: str) -> int:
        """A sum of the ledger's, over all CPUs."""
        return int(self.maps["ledger"].read_array(LEDGER)[name].sum())


def counts_of(value: Any) -> tuple[int, int, int, int]:
    """Of a FLOW or SERVICE record."""
    names = ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes")
    a, b, c, d = (int(value[name]) for name in names)
    return a, b, c, d


@contextmanager
def on_cpu(cpu: int) -> Iterator[None]:
    """This thread."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def both_ways(
    *,
    flow_sets: int = 1,
    constants: Mapping[str, int] | None = None,
    shared: Mapping[str, Map] | None = None,
    sizes: Mapping[str, int] | None = None,
    first: Hook = Hook.TC_RX,
) -> Iterator[BothWays]:
    """A cache of one set, unless there shall be more: whatever comes meets there."""
    cpu = min(os.sched_getaffinity(0))
    options: dict[str, Any] = {"flow_sets": flow_sets, "constants": constants, "sizes": sizes}
    with (
        Harness(first, shared=shared, **options) as received,
        Harness(Hook.TC_TX, shared=received.maps, **options) as sent,
        on_cpu(cpu),
    ):
        yield BothWays(received, sent, cpu)
