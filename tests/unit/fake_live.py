# SPDX-License-Identifier: MIT
"""A reading of pinned maps, made up: what reader.live.Live gives the tables, with real dtypes."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from trafficmon.dns.book import Book
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
    META,
    OWNER,
    SERVICE,
    SERVICE_KEY,
    SOCKET_ROW,
    FlowFlag,
    Hook,
    Mode,
    ServiceKind,
    State,
)
from trafficmon.model.flow_owners import SocketIndex
from trafficmon.model.flows import Flows
from trafficmon.model.interfaces import BASE, WatchedInterface, counted_by_hook, rows_of
from trafficmon.model.labels import ProcessLabel, ProcessLabels
from trafficmon.model.ledger import Ledger
from trafficmon.model.owners import Owners, with_open_sockets
from trafficmon.model.remote_names import RemoteNames
from trafficmon.model.services import Services, packets_by_kind
from trafficmon.model.verdicts import Findings
from trafficmon.pins import PinDirectory
from trafficmon.reader.labels import Labels
from trafficmon.reader.live import Live
from trafficmon.records import set_text

MAX_INTERFACES = 8
NOW_JIFFIES = 5_000_000_000
JIFFIES_A_SECOND = 250
BOOT_S = 1_700_000_000
NOTHING = (0, 0)
Count = tuple[int, int]  # packets, bytes


def packed(address: str) -> bytes:
    """As in a flow's key."""
    return ipaddress.ip_address(address).packed.ljust(16, b"\0")


class NotedProcesses:
    """What labels have noted of processes."""

    def __init__(self, labels: dict[int, ProcessLabel]) -> None:
        self._labels = labels

    def of(self, owner_id: int) -> ProcessLabel | None:
        """Of an owner."""
        return self._labels.get(owner_id)


class FakeLive:
    """Fill it, then hand ``live`` to a table."""

    def __init__(self) -> None:
        self.meta = np.zeros(1, META)[0]
        self.meta["max_interfaces"] = MAX_INTERFACES
        self.meta["max_flows"] = 1000
        self.interfaces: list[WatchedInterface] = []
        self.losses = Ledger(0, 0, 0, 0, 0, 0)
        self._hooks = np.zeros((2 * MAX_INTERFACES, HOOKS), HOOK_COUNTERS)
        self._bases = np.zeros(MAX_INTERFACES, BASE)
        self._flows: list[tuple[Any, Any]] = []
        self._services: list[tuple[Any, Any]] = []
        self._owners: list[tuple[int, Any]] = []
        self._sockets: list[Any] = []
        self._drops: list[tuple[Any, Any]] = []
        self.layer_counters = np.zeros(LAYERS, LAYER_COUNTERS)
        self.events = np.zeros(EVENT_KINDS, EVENT_COUNTS)
        self.dns_book: Book | None = None
        self.hooks = set(HOST_KINDS)
        self.findings = Findings({}, {})
        self.netns_cookie = 0
        self.read_at_s: dict[str, float] = {}
        self.pins = PinDirectory(Path("/nowhere/trafficmon"))
        self.process_labels: dict[int, ProcessLabel] = {}
        self.cgroup_labels: dict[int, str] = {}

    @property
    def live(self) -> Live:
        """Itself, under the type that tables ask for."""
        return cast("Live", self)

    def interface(
        self,
        slot: int,
        name: str,
        *,
        state: State = State.ATTACHED,
        gone: bool = False,
        xdp_mode: Mode = Mode.OFF,
        tc_mode: Mode = Mode.TCX,
        covered: bool = False,
    ) -> None:
        """An interface; tc counts what comes in where XDP does not."""
        tc_rx = tc_mode != Mode.OFF and xdp_mode in (Mode.OFF, Mode.XDP_GENERIC)
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

    @property
    def interface_names(self) -> dict[int, str]:
        """By number."""
        return {one.number: one.name for one in self.interfaces}

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
        base["packets_by_kind"] = packets_by_kind(self.services(), rows_of(slot))

    def flows(self) -> Flows:
        """All of them."""
        keys = np.array([key for key, _ in self._flows], FLOW_KEY)
        values = np.array([value for _, value in self._flows], FLOW)
        return Flows(keys, values, len(keys), self.losses.lost_flows(len(keys)))

    def services(self) -> Services:
        """All of them."""
        keys = np.array([key for key, _ in self._services], SERVICE_KEY)
        values = np.array([value for _, value in self._services], SERVICE)
        return Services(keys, values, len(keys))

    def hook_counters(self) -> Any:
        """By row and hook."""
        return self._hooks

    def ledger(self) -> Ledger:
        """What was lost."""
        return self.losses

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
        """All of them."""
        if self.sockets is None:
            return None
        ids = np.array([number for number, _ in self._owners], np.uint64)
        records = np.array([record for _, record in self._owners], OWNER)
        return with_open_sockets(ids, records, self.sockets)

    @property
    def labels(self) -> Labels:
        """As noted in ``process_labels`` and ``cgroup_labels``."""
        return cast("Labels", self)

    def processes(self) -> ProcessLabels:
        """Of labels."""
        return cast("ProcessLabels", NotedProcesses(dict(self.process_labels)))

    def cgroup(self, cgroup_id: int) -> str | None:
        """Of labels."""
        return self.cgroup_labels.get(cgroup_id)

    @property
    def socket_index(self) -> SocketIndex | None:
        """The sockets by addresses."""
        return None if self.sockets is None else SocketIndex(self.sockets, 0, self.netns_cookie)

    @property
    def remote_names(self) -> RemoteNames:
        """As ``dns_book`` tells."""
        return RemoteNames(self.dns_book.addresses() if self.dns_book else {})

    def event_counts(self) -> Any:
        """By kind."""
        return self.events

    def has_hook(self, kind: str) -> bool:
        """Whether it is among ``hooks``."""
        return kind in self.hooks

    def has_layer(self, layer: str) -> bool:
        """Whether any of its hooks is."""
        return any(HOST_HOOKS[kind].layer == layer for kind in self.hooks)

    def layers(self) -> Any:
        """By layer."""
        return self.layer_counters

    def drop_place(self, number: int) -> str | None:
        """Drops of readings that are made up are at addresses."""
        del number
        return None

    def drops(self) -> tuple[Any, Any]:
        """Key and value, row by row."""
        keys = np.array([key for key, _ in self._drops], DROP_KEY)
        return keys, np.array([value for _, value in self._drops], DROP)

    def drop(self, location: int, reason: int, packets: int, octets: int, facts: int = 0) -> None:
        """A row of the drops."""
        self._drops.append(((location, reason, 0x800, facts, 0), (packets, octets)))

    def jiffies_now(self) -> int:
        """Beyond 2^32, as they begin on 64-bit machines after five minutes."""
        return NOW_JIFFIES

    def wall_clock(self) -> Callable[[int], float]:
        """Jiffies to seconds since 1970."""
        return lambda jiffies: BOOT_S + jiffies / JIFFIES_A_SECOND
