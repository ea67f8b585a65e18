# SPDX-License-Identifier: MIT
"""One capture: samples out of the ring buffer, asked again where the kernel could not, and told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from trafficmon.attachment.store import Store
from trafficmon.capture.programs import capturing
from trafficmon.capture.steps import Steps, steps_of
from trafficmon.errors import NotAttachedError, TrafficmonError
from trafficmon.events.owners import OwnerLookup
from trafficmon.filter.columns import FilterColumns
from trafficmon.filter.evaluate import matches
from trafficmon.filter.nodes import Expression
from trafficmon.host import cgroups, clock
from trafficmon.host.identities import Identities
from trafficmon.host.interfaces import Interface, all_interfaces
from trafficmon.layout import EVENT_COUNTS, SAMPLE, FlowFlag, State
from trafficmon.libbpf.map import Map
from trafficmon.libbpf.ring import RingBuffer
from trafficmon.model.groups import Records
from trafficmon.pins import PinDirectory
from trafficmon.reader.live import Live
from trafficmon.tables.flows import ports
from trafficmon.tables.table import Record

_TAG_BYTES = 4
_AT_ONCE = 8192
_MAC_BYTES = 12


@dataclass(frozen=True)
class Sample:
    """A packet: ``data`` of ``length`` bytes, VLAN tag and all; ``owner`` as in the tables."""

    interface: str
    at_ns: int  # since 1970
    is_rx: bool
    data: bytes
    length: int
    dropped: int  # for want of room, since the sample before of the same CPU
    head: Records  # SAMPLE
    owner: Record


@dataclass(frozen=True)
class Counts:
    """``offered`` = ``delivered`` + ``lost``."""

    offered: int
    delivered: int
    lost: int


@dataclass(frozen=True)
class Wish:
    """What to capture: of packets that match, ``one_of`` so many by chance, ``snap_bytes`` each."""

    expression: Expression | None = None
    snap_bytes: int = 256
    one_of: int = 1


class Session:
    """While open, packets are captured."""

    def __init__(
        self,
        live: Live,
        names: dict[int, str],
        maps: dict[str, Map],
        wish: Wish,
        steps: Steps,
    ) -> None:
        self._names, self._maps = names, maps
        self._expression = None if steps.is_exact else wish.expression
        self._snap_bytes = wish.snap_bytes
        self._owners = OwnerLookup(live, Identities())
        self._cpus = int(live.meta["cpus"])
        self._waiting: list[bytes] = []
        self._lost: dict[tuple[str, int], int] = {}
        self._ring = RingBuffer(maps["samples"], self._waiting.append)

    def close(self) -> None:
        """Let go of the ring buffer."""
        self._ring.close()

    @property
    def fd(self) -> int:
        """Readable when much is waiting."""
        return self._ring.fd

    def read(self) -> list[Sample]:
        """What has come since the last time."""
        self._ring.consume(_AT_ONCE)
        waiting, self._waiting[:] = list(self._waiting), []
        if not waiting:
            return []
        heads = np.frombuffer(b"".join(raw[: SAMPLE.itemsize] for raw in waiting), SAMPLE)
        owners = [self._owners.record(int(head["event"]["owner_id"])) for head in heads]
        mask = self._mask(heads, owners)
        offset = clock.wall_minus_monotonic_ns()
        return [
            self._sample(heads[row], waiting[row][SAMPLE.itemsize :], owners[row], offset)
            for row in np.flatnonzero(mask)
        ]

    def counts(self) -> dict[str, Counts]:
        """So far, by interface."""
        cells = self._maps["sample_counts"].read_array(EVENT_COUNTS)
        by_slot = cells.reshape(-1, self._cpus)
        return {
            name: Counts(
                *(int(by_slot[slot][what].sum()) for what in ("offered", "delivered", "lost"))
            )
            for slot, name in self._names.items()
        }

    def _mask(self, heads: Records, owners: list[Record]) -> Any:
        if self._expression is None:
            return np.ones(len(heads), bool)
        return matches(self._expression, columns_of(heads, owners, self._names))

    def _sample(self, head: Any, data: bytes, owner: Record, offset_ns: int) -> Sample:
        interface, lost = self._names[int(head["key"]["interface_id"])], int(head["lost_before"])
        place = interface, int(head["cpu"])
        dropped = lost - self._lost.get(place, 0)
        self._lost[place] = lost
        tagged, length = _with_tag(head, data, self._snap_bytes)
        return Sample(
            interface=interface,
            at_ns=int(head["event"]["at_ns"]) + offset_ns,
            is_rx=bool(head["event"]["what"]),
            data=tagged,
            length=length,
            dropped=dropped,
            head=head,
            owner=owner,
        )


def _with_tag(head: Any, data: bytes, snap_bytes: int) -> tuple[bytes, int]:
    """The VLAN tag where it was on the wire, as a capture by tcpdump has it."""
    protocol_be, length = int(head["vlan_protocol_be"]), int(head["bytes"])
    if not protocol_be or len(data) < _MAC_BYTES:
        return data, length
    tag = protocol_be.to_bytes(2, "little") + int(head["vlan_tag"]).to_bytes(2, "big")
    return (data[:_MAC_BYTES] + tag + data[_MAC_BYTES:])[:snap_bytes], length + _TAG_BYTES


def columns_of(heads: Records, owners: list[Record], names: dict[int, str]) -> FilterColumns:
    """Samples (SAMPLE) as expressions ask of them; ``names``: of interfaces, by slot."""
    key = heads["key"]
    has_address = (key["flags"] & (FlowFlag.IPV4 | FlowFlag.IPV6)) != 0
    has_ports = (key["flags"] & FlowFlag.PORTS) != 0
    is_rx = heads["event"]["what"].astype(np.int64)

    def numbers(name: str) -> Any:
        return np.array([-1 if o[name] is None else o[name] for o in owners], np.int64)

    def texts(name: str) -> Any:
        return np.array([o[name] for o in owners], object)

    return FilterColumns(
        table="packets",
        length=len(heads),
        local_addr=key["local_addr"],
        remote_addr=key["remote_addr"],
        is_ipv6=(key["flags"] & FlowFlag.IPV6) != 0,
        has_local_addr=has_address,
        has_remote_addr=has_address,
        local_port=ports(key["local_port_be"], has_ports),
        remote_port=ports(key["remote_port_be"], has_ports),
        protocol=np.where(has_address, key["protocol"].astype(np.int64), -1),
        rx_packets=is_rx,
        tx_packets=1 - is_rx,
        interface=np.array([names[int(slot)] for slot in key["interface_id"]], object),
        uid=numbers("uid"),
        pid=numbers("pid"),
        user=texts("user"),
        comm=texts("comm"),
        cgroup=texts("cgroup"),
    )


class Places:
    """Where to capture: the watched interfaces that are here, by slot."""

    def __init__(self, store: Store) -> None:
        if not store.is_of_this_namespace():
            raise TrafficmonError(
                "what is attached is in another network namespace; capture there: "
                "nsenter --net=… trafficmon capture"
            )
        self._store = store

    @cached_property
    def interfaces(self) -> dict[int, Interface]:
        """NotAttachedError when there are none."""
        by_index = {one.ifindex: one for one in all_interfaces().values()}
        found = {
            slot: by_index[int(record["ifindex"])]
            for slot, record in self._store.interfaces().items()
            if record["state"] == State.ATTACHED and int(record["ifindex"]) in by_index
        }
        if not found:
            raise NotAttachedError(
                "no interface is attached; 'trafficmon attach --iface …' names those to watch"
            )
        return found


@contextmanager
def session(pins: PinDirectory, wish: Wish) -> Iterator[tuple[Session, dict[int, Interface]]]:
    """A capture on all watched interfaces, and these by slot."""
    with Live(pins) as live, Store.open(pins) as store:
        interfaces = Places(store).interfaces
        names = {slot: one.name for slot, one in interfaces.items()}
        slots = {name: slot for slot, name in names.items()}
        steps = steps_of(wish.expression, slots, _cgroup_id)
        with capturing(store, interfaces, steps, wish.snap_bytes, wish.one_of) as maps:
            made = Session(live, names, maps, wish, steps)
            try:
                yield made, interfaces
            finally:
                made.close()


def _cgroup_id(path: str) -> int | None:
    """Of a cgroup by its path below the root of the hierarchy."""
    root = cgroups.version_2_root()
    if root is None:
        return None
    try:
        return Path(f"{root}/{path}").stat().st_ino
    except OSError:
        return None
