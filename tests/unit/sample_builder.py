# SPDX-License-Identifier: MIT
"""Builds samples for tests, with the real dtypes."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np

from trafficmon.hook_registry import HOST_HOOKS, HOST_KINDS
from trafficmon.layout import (
    DROP,
    DROP_KEY,
    EVENT_COUNTS,
    EVENT_KINDS,
    FLOW,
    FLOW_KEY,
    HOOK_COUNTERS,
    HOOKS,
    LAYER_COUNTERS,
    LAYERS,
    OWNER,
    PROCESS,
    SERVICE,
    SERVICE_KEY,
    SOCKET_ROW,
    AttachMode,
    FlowFlag,
    Hook,
    InterfaceState,
    ServiceKind,
)
from trafficmon.model.attachment import Attachment, Clock, HostHook, Machine
from trafficmon.model.dns import Dns
from trafficmon.model.drops import DropNames, Drops
from trafficmon.model.flows import Flows
from trafficmon.model.interfaces import BASE, WatchedInterface, counted_by_hook, rows_of
from trafficmon.model.labels import ProcessLabels
from trafficmon.model.ledger import Ledger
from trafficmon.model.names import Names, ProcessName
from trafficmon.model.owners import Owners, with_open_sockets
from trafficmon.model.parts import Part
from trafficmon.model.programs import Programs
from trafficmon.model.remote_names import RemoteNames
from trafficmon.model.sample import Sample
from trafficmon.model.services import Services, packets_by_kind
from trafficmon.model.sightings import Sighting
from trafficmon.model.verdicts import Findings
from trafficmon.records import set_text

MAX_INTERFACES = 8
NOW_JIFFIES = 5_000_000_000  # beyond 2^32, as they begin on 64-bit machines after five minutes
JIFFIES_A_SECOND = 250
BOOT_S = 1_700_000_000
NOTHING = (0, 0)
Count = tuple[int, int]  # packets, bytes
_JIFFY_NS = 1_000_000_000 // JIFFIES_A_SECOND
NOW_NS = NOW_JIFFIES * _JIFFY_NS  # on CLOCK_MONOTONIC


def packed(address: str) -> bytes:
    """As in a flow's key."""
    return ipaddress.ip_address(address).packed.ljust(16, b"\0")


class SampleBuilder:
    """Fill it, then give ``sample`` to a table."""

    def __init__(self) -> None:
        self.attached_at_ns = 1
        self.boot_id = "a boot"
        self.interfaces: list[WatchedInterface] = []
        self.losses = Ledger(0, 0, 0, 0, 0, 0)
        self._hooks = np.zeros((2 * MAX_INTERFACES, HOOKS), HOOK_COUNTERS)
        self._bases = np.zeros(MAX_INTERFACES, BASE)
        self._flows: list[tuple[Any, Any]] = []
        self._services: list[tuple[Any, Any]] = []
        self._owners: list[tuple[int, Any]] = []
        self._sockets: list[Any] = []
        self._drops: list[tuple[Any, Any]] = []
        self.reasons: dict[int, str] = {}
        self.layer_counters = np.zeros(LAYERS, LAYER_COUNTERS)
        self.events = np.zeros(EVENT_KINDS, EVENT_COUNTS)
        self.dns = Dns([])
        self.dns_losses: dict[str, int] = {}
        self.addresses: dict[str, list[Sighting]] = {}
        self.hooks = set(HOST_KINDS)
        self.findings = Findings({}, {})
        self.netns_cookie = 0
        self.read_at_s: dict[Part, float] = {}
        self.processes: dict[int, ProcessName] = {}
        self.process_labels: dict[int, Any] = {}
        self.cgroup_labels: dict[int, str] = {}

    @staticmethod
    def user_name(uid: int) -> str | None:
        """In the user database."""
        return "root" if uid == 0 else None

    @property
    def sample(self) -> Sample:
        """What it was filled with, all parts of it."""
        attachment = Attachment(
            where="/nowhere/trafficmon",
            version="1",
            attached_at_ns=self.attached_at_ns,
            cgroup="/sys/fs/cgroup",
            netns_inode=0,
            netns_cookie=self.netns_cookie,
            max_flows=1000,
            hooks=tuple(
                HostHook(h.name, h.layer, h.mode)
                for h in HOST_HOOKS.values()
                if h.name in self.hooks
            ),
        )
        now_ns = BOOT_S * 1_000_000_000 + NOW_NS
        clock = Clock(now_ns, NOW_NS, NOW_NS, NOW_JIFFIES, NOW_NS, _JIFFY_NS)
        machine = Machine("test", "6.18", self.boot_id)
        return Sample(machine, attachment, clock, self._held(), dict(self.read_at_s))

    def _held(self) -> dict[Part, Any]:
        owners = self.owners
        return {
            Part.INTERFACES: list(self.interfaces),
            Part.FINDINGS: self.findings,
            Part.INTERFACE_NAMES: {one.number: one.name for one in self.interfaces},
            Part.HOOK_COUNTERS: self._hooks.copy(),
            Part.LAYERS: self.layer_counters.copy(),
            Part.OWNERS: owners,
            Part.SOCKETS: self.sockets,
            Part.NAMES: self._names(owners),
            Part.PROCESS_LABELS: self._labels(),
            Part.LINK_NAMES: {one.ifindex: one.name for one in self.interfaces},
            Part.LEDGER: self.losses,
            Part.SERVICES: self._all_services(),
            Part.FLOWS: self._all_flows(),
            Part.DROPS: Drops(
                np.array([key for key, _ in self._drops], DROP_KEY),
                np.array([value for _, value in self._drops], DROP),
                DropNames(dict(self.reasons), {}),
            ),
            Part.EVENT_COUNTS: self.events.copy(),
            Part.REMOTE_NAMES: RemoteNames(self.addresses),
            Part.DNS: self.dns,
            Part.DNS_LOSSES: self.dns_losses,
            Part.PROGRAMS: Programs(
                has_statistics=False, are_readable=True, runs={}, foreign_xdp={}, mount_notes=()
            ),
            Part.MAP_SIZES: {"flows": 1000, "services": 1000, "owners": 1000},
        }

    def _names(self, owners: Owners | None) -> Names:
        if owners is None:
            return Names({}, {}, {})
        uids, groups = (np.unique(owners.records[n]).tolist() for n in ("uid", "cgroup_id"))
        users = {uid: self.user_name(uid) for uid in uids}
        return Names(users, {n: self.cgroup_labels.get(n) for n in groups}, dict(self.processes))

    def _labels(self) -> ProcessLabels:
        ids = sorted(self.process_labels)
        records = np.array([self.process_labels[one] for one in ids], PROCESS)
        return ProcessLabels(np.array(ids, np.uint64), records)

    def label(self, owner_id: int, exe: str, cmdline: str) -> None:
        """What the kernel's programs noted of a process."""
        record = np.zeros(1, PROCESS)[0]
        for place, part in enumerate(reversed(exe.strip("/").split("/"))):
            record["exe"][place, : len(part)] = np.frombuffer(part.encode(), np.uint8)
        raw = cmdline.replace(" ", "\0").encode()
        record["arguments"][: len(raw)] = np.frombuffer(raw, np.uint8)
        self.process_labels[owner_id] = record

    def interface(
        self,
        slot: int,
        name: str,
        *,
        state: InterfaceState = InterfaceState.ATTACHED,
        gone: bool = False,
        xdp_mode: AttachMode = AttachMode.OFF,
        tc_mode: AttachMode = AttachMode.TCX,
        covered: bool = False,
    ) -> None:
        """An interface; tc counts what comes in where XDP does not."""
        tc_rx = tc_mode != AttachMode.OFF and xdp_mode in (AttachMode.OFF, AttachMode.XDP_GENERIC)
        self.interfaces.append(
            WatchedInterface(
                slot=slot,
                number=slot,
                name=name,
                ifindex=100 + slot,
                state=state,
                gone=gone,
                xdp_mode=xdp_mode,
                tc_mode=tc_mode,
                tc_rx=tc_rx,
                covered=covered,
                dns=True,
                reason="",
                attached_at_ns=0,
                base=self._bases[slot].copy(),
            )
        )

    def _row(self, slot: int, *, covered: bool | None = None) -> int:
        """Of an interface's counters, and id of its flows: its number is its slot here."""
        if covered is None:
            covered = any(one.covered for one in self.interfaces if one.slot == slot)
        return 2 * slot + covered

    def flow(
        self,
        local: str,
        remote: str,
        protocol: int = 6,
        *,
        ports: tuple[int, int] | None = None,
        rx: Count = NOTHING,
        tx: Count = NOTHING,
        slot: int = 0,
        covered: bool | None = None,
        tcp_flags: Sequence[int] = (),
        first: int = NOW_JIFFIES,
        last: int = NOW_JIFFIES,
        owner_id: int = 0,
    ) -> None:
        """A flow. ``ports``: local, remote; ``tcp_flags``: their bits' numbers.

        ``covered``: whether it counted while sums left its interface out; None: as it is now.
        """
        key, value = np.zeros(1, FLOW_KEY)[0], np.zeros(1, FLOW)[0]
        key["local_addr"] = np.frombuffer(packed(local), np.uint8)
        key["remote_addr"] = np.frombuffer(packed(remote), np.uint8)
        key["interface_id"], key["protocol"] = self._row(slot, covered=covered), protocol
        key["flags"] = FlowFlag.IPV6 if ":" in local else FlowFlag.IPV4
        if ports is not None:
            key["flags"] |= FlowFlag.PORTS
            key["local_port_be"], key["remote_port_be"] = np.array(ports, ">u2").view("=u2")
        value["rx_packets"], value["rx_bytes"] = rx
        value["tx_packets"], value["tx_bytes"] = tx
        value["tcp_flags"][list(tcp_flags)] = 1
        value["first_seen_jiffies"], value["owner_id"] = first, owner_id
        value["owner_at_ns"] = bool(owner_id)
        value["last_seen_jiffies_low"] = last & 0xFFFFFFFF
        self._flows.append((key, value))

    def service(
        self,
        kind: ServiceKind,
        number: int = 0,
        *,
        protocol: int = 0,
        version: int = 4,
        rx: Count = NOTHING,
        tx: Count = NOTHING,
        flows: int = 0,
        slot: int = 0,
        covered: bool | None = None,
    ) -> None:
        """A row of the division by service."""
        key, value = np.zeros(1, SERVICE_KEY)[0], np.zeros(1, SERVICE)[0]
        key["row"] = self._row(slot, covered=covered)
        key["number"], key["kind"] = number, kind
        key["ip_version"], key["protocol"] = version, protocol
        value["rx_packets"], value["rx_bytes"] = rx
        value["tx_packets"], value["tx_bytes"] = tx
        value["flows"] = flows
        self._services.append((key, value))

    def hook(
        self,
        hook: Hook,
        sizes: Sequence[int],
        octets: int,
        *,
        broken: int = 0,
        slot: int = 0,
        covered: bool | None = None,
    ) -> None:
        """A hook's own totals: packets by size, and their bytes."""
        counters = self._hooks[self._row(slot, covered=covered), hook]
        counters["packets_by_size"] = list(sizes) + [0] * (8 - len(sizes))
        counters["bytes"] = octets
        counters["parse_errors"] = broken

    def give_away(self, slot: int) -> None:
        """The slot's interface is gone; what the slot holds is the base of the next one."""
        self.interfaces = [one for one in self.interfaces if one.slot != slot]
        base = self._bases[slot]
        base["hooks"] = counted_by_hook(self._hooks, slot)
        base["packets_by_kind"] = packets_by_kind(self._all_services(), rows_of(slot))

    def _all_flows(self) -> Flows:
        keys = np.array([key for key, _ in self._flows], FLOW_KEY)
        values = np.array([value for _, value in self._flows], FLOW)
        return Flows(keys, values, len(keys), self.losses.lost_flows(len(keys)))

    def _all_services(self) -> Services:
        keys = np.array([key for key, _ in self._services], SERVICE_KEY)
        values = np.array([value for _, value in self._services], SERVICE)
        return Services(keys, values, len(keys))

    def owner(
        self,
        owner_id: int,
        *,
        pid: int = 0,
        uid: int = 0,
        cgroup_id: int = 0,
        started_ns: int = 0,
        comm: str = "",
        rx: Count = NOTHING,
        tx: Count = NOTHING,
        app: Count = NOTHING,
        connections: int = 0,
    ) -> None:
        """An owner's row; ``app``: bytes received, sent."""
        record = np.zeros(1, OWNER)[0]
        record["pid"], record["uid"], record["cgroup_id"] = pid, uid, cgroup_id
        record["started_ns"], record["connections"] = started_ns, connections
        set_text(record, "comm", comm)
        record["rx_packets"], record["rx_bytes"] = rx
        record["tx_packets"], record["tx_bytes"] = tx
        record["app_rx_bytes"], record["app_tx_bytes"] = app
        self._owners.append((owner_id, record))

    def socket(self, owner_id: int, **members: Any) -> Any:
        """A row of an open socket, to be filled further."""
        row = np.zeros(1, SOCKET_ROW)[0]
        row["socket"]["owner_id"] = owner_id
        for name, value in members.items():
            row[name] = value
        self._sockets.append(row)
        return row

    @property
    def sockets(self) -> Any:
        """All of them; None without the cgroup layer."""
        rows = np.array(self._sockets, SOCKET_ROW)
        return rows if "sockets" in self.hooks else None

    @property
    def owners(self) -> Owners | None:
        """All of them; None without the cgroup layer."""
        if self.sockets is None:
            return None
        ids = np.array([number for number, _ in self._owners], np.uint64)
        records = np.array([record for _, record in self._owners], OWNER)
        return with_open_sockets(ids, records, self.sockets)

    def drop(self, location: int, reason: int, packets: int, octets: int, facts: int = 0) -> None:
        """A row of the drops."""
        self._drops.append(((location, reason, 0x800, facts, 0), (packets, octets)))


class BuiltSource:
    """A source of what ``build`` gives; a sample holds the parts that it is read with, no more."""

    description = "/nowhere/trafficmon"

    def __init__(self, build: Callable[[], SampleBuilder]) -> None:
        self.build = build

    def read(self, parts: Part) -> Sample:
        sample = self.build().sample
        held = {part: value for part, value in sample.held.items() if part in parts}
        return replace(sample, held=held)

    def close(self) -> None:
        """Nothing is open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
