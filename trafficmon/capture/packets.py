# SPDX-License-Identifier: MIT
"""Captured packets as a stream of events, filtered once more where the kernel could not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from trafficmon.attachment.store import Store
from trafficmon.capture.programs import capturing
from trafficmon.capture.steps import steps_of
from trafficmon.errors import NotAttachedError, TrafficmonError
from trafficmon.events.attached import attached
from trafficmon.events.decode import EventNames
from trafficmon.events.endpoints import endpoints_of
from trafficmon.events.event import Event
from trafficmon.events.ring import RingSource
from trafficmon.events.select import matching
from trafficmon.events.stream import EventStream
from trafficmon.events.unpack import place_of, unpacker
from trafficmon.filter.nodes import Expression
from trafficmon.host import cgroups
from trafficmon.host.contained import Contained
from trafficmon.host.interfaces import Interface, all_interfaces
from trafficmon.layout import EVENT_COUNTS, SAMPLE, InterfaceState
from trafficmon.libbpf.map import Map
from trafficmon.pins import PinDirectory
from trafficmon.tables.table import Record

_TAG_BYTES = 4
_AT_ONCE = 8192
_MAC_BYTES = 12
_KEY = place_of(SAMPLE, "key")
_SAMPLE = unpacker(
    SAMPLE,
    "event.at_ns",
    "event.owner_id",
    "event.what",
    "bytes",
    "lost_before",
    "vlan_tag",
    "vlan_protocol_be",
    "cpu",
)


@dataclass(frozen=True, slots=True)
class CapturedPacket(Event):
    """``data``: the copied part of ``length`` bytes on the wire, VLAN tag included.

    ``lost_before``: samples of ``cpu`` that the ring buffer had no room for, since the beginning.
    """

    type: ClassVar[str] = "sample"

    data: bytes
    length: int
    cpu: int
    lost_before: int

    def record(self) -> Record:
        """What a line of text is made of."""
        begin = self._begin()
        return {"time": begin["time"], **self._wire(), "bytes": self.length, **self.owner.record()}


@dataclass(frozen=True)
class Counts:
    """``offered`` = ``delivered`` + ``lost``."""

    offered: int
    delivered: int
    lost: int


@dataclass(frozen=True)
class CaptureOptions:
    """Packets that match ``expression``, one in ``one_of`` at random, ``snap_bytes`` of each."""

    expression: Expression | None = None
    snap_bytes: int = 256
    one_of: int = 1


class SampleDecoder:
    """``interfaces``: names by slot, which is what samples have for an interface_id."""

    def __init__(self, names: EventNames, interfaces: dict[int, str], snap_bytes: int) -> None:
        self._names, self._interfaces = names, interfaces
        self._snap_bytes = snap_bytes

    def decode(self, raw: bytes, offset_ns: int) -> CapturedPacket:
        """A record of the ring buffer `samples`."""
        at_ns, owner_id, is_rx, length, lost_before, tag, protocol_be, cpu = _SAMPLE(raw)
        ends, slot, is_ip = endpoints_of(raw[_KEY])
        data = raw[SAMPLE.itemsize :]
        if protocol_be and len(data) >= _MAC_BYTES:
            data = _with_tag(data, protocol_be, tag)[: self._snap_bytes]
            length += _TAG_BYTES
        return CapturedPacket(
            at_ns + offset_ns,
            "captured",
            ends if is_ip else None,
            self._names.owner(owner_id),
            self._interfaces[slot],
            bool(is_rx),
            data,
            length,
            cpu,
            lost_before,
        )


def _with_tag(data: bytes, protocol_be: int, tag: int) -> bytes:
    """The VLAN tag where it was on the wire, as a capture by tcpdump has it."""
    header = protocol_be.to_bytes(2, "little") + tag.to_bytes(2, "big")
    return data[:_MAC_BYTES] + header + data[_MAC_BYTES:]


class Samples(RingSource[CapturedPacket]):
    """The ring buffer `samples`; ``expression``: what the kernel could not fully evaluate."""

    def __init__(
        self,
        ring: Map,
        decoder: SampleDecoder,
        expression: Expression | None,
        contained: Contained,
    ) -> None:
        super().__init__(ring, decoder.decode, contained, _AT_ONCE)
        self._expression = expression

    def read(self) -> list[CapturedPacket]:
        """Those that match."""
        return matching(super().read(), self._expression, "packets")


@dataclass(frozen=True)
class Capture:
    """While open, packets are captured on ``interfaces``."""

    stream: EventStream[CapturedPacket]
    interfaces: tuple[Interface, ...]
    counts: Callable[[], dict[str, Counts]]
    """So far, by interface."""


@contextmanager
def packet_capture(
    pins: PinDirectory, options: CaptureOptions, contained: Contained
) -> Iterator[Capture]:
    """A capture on all attached interfaces."""
    with attached(pins) as where, Store.open(pins) as store:
        interfaces = _interfaces_here(store)
        names = {slot: one.name for slot, one in interfaces.items()}
        slots = {name: slot for slot, name in names.items()}
        steps = steps_of(options.expression, slots, _cgroup_id)
        rest = None if steps.is_exact else options.expression
        decoder = SampleDecoder(where, names, options.snap_bytes)
        with capturing(store, interfaces, steps, options.snap_bytes, options.one_of) as maps:
            source = Samples(maps["samples"], decoder, rest, contained)
            stream, cpus = EventStream(pins, [source]), store.geometry().cpus
            try:
                yield Capture(
                    stream,
                    tuple(interfaces.values()),
                    lambda: _counts(maps["sample_counts"], names, cpus),
                )
            finally:
                stream.close()
                source.close()


def _counts(sample_counts: Map, names: dict[int, str], cpus: int) -> dict[str, Counts]:
    by_slot = sample_counts.read_array(EVENT_COUNTS).reshape(-1, cpus)
    return {
        name: Counts(*(int(by_slot[slot][what].sum()) for what in ("offered", "delivered", "lost")))
        for slot, name in names.items()
    }


def _interfaces_here(store: Store) -> dict[int, Interface]:
    """The attached interfaces, by slot; NotAttachedError when there are none."""
    if not store.is_of_this_namespace():
        raise TrafficmonError(
            "cannot capture: trafficmon is attached in another network namespace; capture "
            "there: nsenter --net=… trafficmon capture"
        )
    by_index = {one.ifindex: one for one in all_interfaces().values()}
    found = {
        slot: by_index[int(record["ifindex"])]
        for slot, record in store.interfaces().items()
        if record["state"] == InterfaceState.ATTACHED and int(record["ifindex"]) in by_index
    }
    if not found:
        raise NotAttachedError(
            "no interface is attached; 'trafficmon attach --iface …' names those to watch"
        )
    return found


def _cgroup_id(path: str) -> int | None:
    """Of a cgroup by its path below the root of the hierarchy."""
    root = cgroups.version_2_root()
    if root is None:
        return None
    try:
        return Path(f"{root}/{path}").stat().st_ino
    except OSError:
        return None
