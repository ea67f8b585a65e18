# SPDX-License-Identifier: MIT
"""Events as records: `type` (conn, packet, drop, dns), `event`, and what belongs to it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from trafficmon.dns.learn import Seen
from trafficmon.events.owners import OwnerLookup
from trafficmon.host import clock
from trafficmon.host.identities import Identities
from trafficmon.layout import (
    CONN,
    DROP_EVENT,
    PACKET_EVENT,
    ConnEvent,
    End,
    EventKind,
    FlowFlag,
    Role,
    State,
)
from trafficmon.model.drop_kinds import HOUSEKEEPING
from trafficmon.model.interfaces import interface_number
from trafficmon.protocols import protocol_name
from trafficmon.reader.drop_names import KernelDropNames
from trafficmon.reader.live import Live
from trafficmon.records import record_of
from trafficmon.tables.addresses import address_text
from trafficmon.tables.table import Record
from trafficmon.tables.times import time_text

KINDS: dict[str, frozenset[EventKind]] = {
    "conn": frozenset({EventKind.CONN}),
    "dns": frozenset(),  # from a ring buffer of its own
    "packet": frozenset({EventKind.FLOW, EventKind.TCP}),
    "drop": frozenset({EventKind.DROP}),
    "alert": frozenset(),  # made by the agent
}
"""What `--type` may name, and the kernel's kinds behind it."""

_ROLES = {Role.ACTIVE: "active", Role.PASSIVE: "passive"}
_KIND_AT, _NO_RTT = 16, 0xFFFFFFFF
_IPV6, _PORTS = int(FlowFlag.IPV6), int(FlowFlag.PORTS)
_FIN, _SYN, _RST, _ACK = 0x01, 0x02, 0x04, 0x10


def is_housekeeping(record: Record) -> bool:
    """Whether it is of a packet that the kernel freed and nobody misses."""
    return bool(record["type"] == "drop" and record["kind"] == HOUSEKEEPING)


class Teller:
    """Of one attachment."""

    def __init__(self, live: Live) -> None:
        identities = Identities()
        self._live, self._owners = live, OwnerLookup(live, identities)
        self._drops = KernelDropNames(live.drop_place, identities.kernel_function)
        self._interfaces = live.interface_names
        self._by_ifindex = {
            one.ifindex: one.name
            for one in live.interfaces
            if one.state == State.ATTACHED and not one.gone
        }
        self._tell: dict[int, Callable[[bytes], Record]] = {
            EventKind.CONN: self._conn,
            EventKind.FLOW: self._packet,
            EventKind.TCP: self._packet,
            EventKind.DROP: self._drop,
        }

    def record(self, raw: bytes) -> Record:
        """A record of the ring buffer `events`."""
        return self._tell[raw[_KIND_AT]](raw)

    def _conn(self, raw: bytes) -> Record:
        conn = record_of(raw, CONN)
        what = ConnEvent(int(conn["event"]["what"]))
        is_closed, at = what == ConnEvent.CLOSED, _seconds(conn)
        opened_ns = int(conn["opened_ns"])
        minimum = int(conn["min_rtt_us"])
        told = self._begin(conn, "conn", what.name.lower())
        told |= flow_ends(conn["key"]) | {"role": _ROLES.get(Role(int(conn["role"])))}
        told |= self._owners.record(int(conn["event"]["owner_id"]))
        counts = (
            "rx_packets",
            "rx_bytes",
            "tx_packets",
            "tx_bytes",
            "app_rx_bytes",
            "app_tx_bytes",
        )
        told |= {name: int(conn[name]) for name in counts}
        told |= {
            "rtt_us": int(conn["srtt_us"]) or None,
            "min_rtt_us": None if minimum in (0, _NO_RTT) else minimum,
            "retransmits": int(conn["retransmits"]),
            "duration_s": _span_s(opened_ns, int(conn["event"]["at_ns"])) if is_closed else None,
            "reason": End(int(conn["close_reason"])).name.lower() if is_closed else None,
            "remote_name": None,
        }
        if opened_ns:
            opened = at - (int(conn["event"]["at_ns"]) - opened_ns) / 1e9
            owner = self._live.owner(int(conn["event"]["owner_id"]))
            told["remote_name"] = self._live.remote_names.name(told["remote_addr"], opened, owner)
        return told

    def _packet(self, raw: bytes) -> Record:
        packet = record_of(raw, PACKET_EVENT)
        flags = int(packet["tcp_flags"])
        is_flow = int(packet["event"]["kind"]) == EventKind.FLOW
        told = self._begin(packet, "packet", "new_flow" if is_flow else _handshake(flags))
        told |= self._wire(packet)
        told |= {"bytes": int(packet["bytes"])}
        told |= self._owners.record(int(packet["event"]["owner_id"]))
        return told

    def _wire(self, event: Any) -> Record:
        return {
            "interface": self._interfaces.get(int(interface_number(event["key"]["interface_id"]))),
            "direction": "in" if event["event"]["what"] else "out",
            **flow_ends(event["key"]),
        }

    def _drop(self, raw: bytes) -> Record:
        drop = record_of(raw, DROP_EVENT)
        key = drop["key"]
        told = self._begin(drop, "drop", "dropped")
        told |= self._drops.record(drop["drop"])
        told["interface"] = self._by_ifindex.get(int(drop["ifindex"]))
        ends = flow_ends(key) if key["flags"] else dict.fromkeys(_ENDS)
        told |= {
            "protocol": ends["protocol"],
            "src_addr": ends["local_addr"],
            "src_port": ends["local_port"],
            "dst_addr": ends["remote_addr"],
            "dst_port": ends["remote_port"],
            "bytes": int(drop["bytes"]),
        }
        return told

    def dns(self, seen: Seen) -> Record:
        """A DNS message."""
        message = seen.message
        told = self._begin(seen.head, "dns", "response" if message.is_response else "query")
        told |= self._wire(seen.head)
        told |= {
            "kind": seen.kind,
            "name": message.name,
            "record_type": message.type,
            "rcode": message.rcode if message.is_response else None,
            "latency_us": seen.latency_us,
            "truncated": message.is_truncated,
            "incomplete": message.is_incomplete,
            "answers": [
                {"name": a.name, "type": a.type, "ttl_s": a.ttl_s, "data": a.data}
                for a in message.answers
            ],
        }
        return told | self._owners.record(seen.owner_id)

    @staticmethod
    def _begin(event: Any, type_: str, what: str) -> Record:
        return {"time": time_text(_seconds(event), "microseconds"), "type": type_, "event": what}


_ENDS = ("protocol", "local_addr", "local_port", "remote_addr", "remote_port")


def flow_ends(key: Any) -> Record:
    """Protocol, addresses and ports of a FLOW_KEY."""
    flags = int(key["flags"])  # once: numpy's numbers are slow to ask, and slower with an IntEnum
    ipv6, has_ports = bool(flags & _IPV6), bool(flags & _PORTS)
    local_port, remote_port = int(key["local_port_be"]), int(key["remote_port_be"])
    return {
        "protocol": protocol_name(int(key["protocol"])),
        "local_addr": address_text(key["local_addr"].tobytes(), ipv6=ipv6),
        "local_port": socket.ntohs(local_port) if has_ports else None,
        "remote_addr": address_text(key["remote_addr"].tobytes(), ipv6=ipv6),
        "remote_port": socket.ntohs(remote_port) if has_ports else None,
    }


def _seconds(event: Any) -> float:
    return (int(event["event"]["at_ns"]) + clock.wall_minus_monotonic_ns()) / 1e9


def _span_s(begin_ns: int, end_ns: int) -> float | None:
    return round(max(0, end_ns - begin_ns) / 1e9, 6) if begin_ns else None


def _handshake(flags: int) -> str:
    if flags & _RST:
        return "rst"
    if flags & _SYN:
        return "syn_ack" if flags & _ACK else "syn"
    return "fin"
