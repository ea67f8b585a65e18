# SPDX-License-Identifier: MIT
"""Records of the ring buffers as events, each decoded once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from trafficmon.events.endpoints import endpoints_of
from trafficmon.events.event import (
    UNKNOWN_OWNER,
    ConnectionEvent,
    DnsEvent,
    DropEvent,
    Event,
    Owner,
    PacketEvent,
)
from trafficmon.events.unpack import place_of, unpacker
from trafficmon.layout import (
    CONN,
    DROP_EVENT,
    EVENT,
    PACKET_EVENT,
    CloseReason,
    ConnEvent,
    EventKind,
    Role,
)
from trafficmon.model.sockets import NO_RTT_US

if TYPE_CHECKING:
    from trafficmon.dns.learn import Seen

TYPES: dict[str, frozenset[EventKind]] = {
    "conn": frozenset({EventKind.CONN}),
    "dns": frozenset(),  # from a ring buffer of its own
    "packet": frozenset({EventKind.FLOW, EventKind.TCP}),
    "drop": frozenset({EventKind.DROP}),
    "alert": frozenset(),  # made by the agent
}
"""Types of events by the names of `--type`, and the kernel's kinds that each consists of."""

_FIN, _SYN, _RST, _ACK = 0x01, 0x02, 0x04, 0x10
_KIND_AT = place_of(EVENT, "kind").start
_FLOW = int(EventKind.FLOW)
_CLOSED = int(ConnEvent.CLOSED)
_EVENT_NAMES = {int(one): one.name.lower() for one in ConnEvent}
_ROLES = {int(Role.UNKNOWN): None, int(Role.ACTIVE): "active", int(Role.PASSIVE): "passive"}
_REASONS = {int(one): one.name.lower() for one in CloseReason}

_CONN = unpacker(
    CONN,
    "event.at_ns",
    "event.owner_id",
    "event.what",
    "opened_ns",
    "rx_packets",
    "rx_bytes",
    "tx_packets",
    "tx_bytes",
    "app_rx_bytes",
    "app_tx_bytes",
    "srtt_us",
    "min_rtt_us",
    "retransmits",
    "role",
    "close_reason",
)
_PACKET = unpacker(
    PACKET_EVENT, "event.at_ns", "event.owner_id", "event.kind", "event.what", "bytes", "tcp_flags"
)
_DROP = unpacker(
    DROP_EVENT, "event.at_ns", "drop.location", "drop.reason", "drop.facts", "bytes", "ifindex"
)


_CONN_KEY, _PACKET_KEY, _DROP_KEY = (
    place_of(dtype, "key") for dtype in (CONN, PACKET_EVENT, DROP_EVENT)
)


class EventNames(Protocol):
    """Names for the numbers of an attachment's events; None for what is not known."""

    def owner(self, owner_id: int) -> Owner:
        """The owner's names; UNKNOWN_OWNER for 0."""

    def interface(self, interface_id: int) -> str | None:
        """The interface of a flow's key."""

    def interface_at(self, ifindex: int) -> str | None:
        """The attached interface with that index, in the watched network namespace."""

    def drop(self, location: int, reason: int, facts: int) -> tuple[str | None, str, str]:
        """Reason, function, and kind (loss or housekeeping) of a DROP_KEY."""

    def remote_name(self, address: str, opened_s: float, owner_id: int) -> str | None:
        """The DNS name of a connection's remote end; ``opened_s``: seconds since 1970."""


class EventDecoder:
    """Decodes the records of one attachment.

    ``offset_ns`` is what CLOCK_REALTIME is ahead of the kernel's CLOCK_MONOTONIC
    (clock.wall_minus_monotonic_ns()).
    """

    def __init__(self, names: EventNames) -> None:
        self._names = names
        self._by_kind: dict[int, Callable[[bytes, int], Event]] = {
            EventKind.CONN: self._connection,
            EventKind.FLOW: self._packet,
            EventKind.TCP: self._packet,
            EventKind.DROP: self._drop,
        }

    def decode(self, raw: bytes, offset_ns: int) -> Event:
        """A record of the ring buffer `events`. KeyError, struct.error where it is not one."""
        return self._by_kind[raw[_KIND_AT]](raw, offset_ns)

    def _connection(self, raw: bytes, offset_ns: int) -> ConnectionEvent:
        at_ns, owner_id, what, opened_ns, *counts, rtt_us, least_us, again, role, end = _CONN(raw)
        rx_packets, rx_bytes, tx_packets, tx_bytes, app_rx_bytes, app_tx_bytes = counts
        ends, _, _ = endpoints_of(raw[_CONN_KEY])
        is_closed, name = what == _CLOSED, None
        wall_ns = at_ns + offset_ns
        if opened_ns:
            opened_s = wall_ns / 1e9 - (at_ns - opened_ns) / 1e9
            name = self._names.remote_name(ends.remote_text, opened_s, owner_id)
        return ConnectionEvent(
            wall_ns,
            _EVENT_NAMES[what],
            ends,
            self._names.owner(owner_id),
            None,
            None,
            role=_ROLES[role],
            rx_packets=rx_packets,
            rx_bytes=rx_bytes,
            tx_packets=tx_packets,
            tx_bytes=tx_bytes,
            app_rx_bytes=app_rx_bytes,
            app_tx_bytes=app_tx_bytes,
            rtt_us=rtt_us or None,
            min_rtt_us=None if least_us in (0, NO_RTT_US) else least_us,
            retransmits=again,
            duration_s=_span_s(opened_ns, at_ns) if is_closed else None,
            reason=_REASONS[end] if is_closed else None,
            remote_name=name,
        )

    def _packet(self, raw: bytes, offset_ns: int) -> PacketEvent:
        at_ns, owner_id, kind, is_rx, size, flags = _PACKET(raw)
        ends, interface_id, _ = endpoints_of(raw[_PACKET_KEY])
        return PacketEvent(
            at_ns + offset_ns,
            "new_flow" if kind == _FLOW else _handshake(flags),
            ends,
            self._names.owner(owner_id),
            self._names.interface(interface_id),
            bool(is_rx),
            size,
        )

    def _drop(self, raw: bytes, offset_ns: int) -> DropEvent:
        at_ns, location, reason, facts, size, ifindex = _DROP(raw)
        ends, _, is_ip = endpoints_of(raw[_DROP_KEY])
        return DropEvent(
            at_ns + offset_ns,
            "dropped",
            ends if is_ip else None,
            UNKNOWN_OWNER,
            self._names.interface_at(ifindex),
            None,
            *self._names.drop(location, reason, facts),
            size,
        )

    def dns(self, seen: Seen, offset_ns: int) -> DnsEvent:
        """A DNS message that the learner has read."""
        head, message = seen.head, seen.message
        ends, interface_id, _ = endpoints_of(head["key"].tobytes())
        return DnsEvent(
            int(head["event"]["at_ns"]) + offset_ns,
            "response" if message.is_response else "query",
            ends,
            self._names.owner(seen.owner_id),
            self._names.interface(interface_id),
            bool(head["event"]["what"]),
            seen.kind,
            message,
            seen.latency_us,
        )


def _span_s(begin_ns: int, end_ns: int) -> float | None:
    return round(max(0, end_ns - begin_ns) / 1e9, 6) if begin_ns else None


def _handshake(flags: int) -> str:
    if flags & _RST:
        return "rst"
    if flags & _SYN:
        return "syn_ack" if flags & _ACK else "syn"
    return "fin"
