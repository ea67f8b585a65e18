# SPDX-License-Identifier: MIT
"""Events as types, with the record that each has in `events --json`.

Addresses stay as they are on the wire: filters compare bytes, and text is made for what is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from trafficmon.events.endpoints import Endpoints
from trafficmon.model.drop_kinds import HOUSEKEEPING
from trafficmon.protocols import protocol_name
from trafficmon.tables.table import Record
from trafficmon.tables.times import time_text

if TYPE_CHECKING:
    from trafficmon.dns.message import Message  # with dnspython, which takes long to import


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that a socket belongs to; None for what is not known."""

    uid: int | None = None
    user: str | None = None
    pid: int | None = None
    comm: str | None = None
    cgroup: str | None = None

    def record(self) -> Record:
        """The fields of a record."""
        return {
            "uid": self.uid,
            "user": self.user,
            "pid": self.pid,
            "comm": self.comm,
            "cgroup": self.cgroup,
        }


UNKNOWN_OWNER = Owner()


@dataclass(frozen=True, slots=True)
class Event:
    """What all kinds have.

    ``at_ns``: nanoseconds since 1970. ``endpoints``: None where the packet is not IP. Of a dropped
    packet the source is the local end. ``is_rx``: towards this host; None where the event has no
    direction.
    """

    type: ClassVar[str]

    at_ns: int
    event: str
    endpoints: Endpoints | None
    owner: Owner
    interface: str | None
    is_rx: bool | None

    def record(self) -> Record:
        """The event as `events --json` has it."""
        raise NotImplementedError

    def _begin(self) -> Record:
        time = time_text(self.at_ns / 1e9, "microseconds")
        return {"time": time, "type": self.type, "event": self.event}

    def _wire(self) -> Record:
        return {
            "interface": self.interface,
            "direction": "in" if self.is_rx else "out",
            **(self.endpoints.record() if self.endpoints else NOT_IP),
        }


NOT_IP: Record = {"protocol": None}


@dataclass(frozen=True, slots=True)
class ConnectionEvent(Event):
    """A TCP connection was opened or closed; counts are as of then."""

    type: ClassVar[str] = "conn"

    role: str | None
    rx_packets: int
    rx_bytes: int
    tx_packets: int
    tx_bytes: int
    app_rx_bytes: int
    app_tx_bytes: int
    rtt_us: int | None
    min_rtt_us: int | None
    retransmits: int
    duration_s: float | None
    reason: str | None
    remote_name: str | None

    def record(self) -> Record:
        """The event as `events --json` has it."""
        return {
            **self._begin(),
            **(self.endpoints.record() if self.endpoints else NOT_IP),
            "role": self.role,
            **self.owner.record(),
            "rx_packets": self.rx_packets,
            "rx_bytes": self.rx_bytes,
            "tx_packets": self.tx_packets,
            "tx_bytes": self.tx_bytes,
            "app_rx_bytes": self.app_rx_bytes,
            "app_tx_bytes": self.app_tx_bytes,
            "rtt_us": self.rtt_us,
            "min_rtt_us": self.min_rtt_us,
            "retransmits": self.retransmits,
            "duration_s": self.duration_s,
            "reason": self.reason,
            "remote_name": self.remote_name,
        }


@dataclass(frozen=True, slots=True)
class PacketEvent(Event):
    """A flow's first packet, or one with SYN, FIN or RST. ``size``: bytes on the wire."""

    type: ClassVar[str] = "packet"

    size: int

    def record(self) -> Record:
        """The event as `events --json` has it."""
        return {**self._begin(), **self._wire(), "bytes": self.size, **self.owner.record()}


@dataclass(frozen=True, slots=True)
class DropEvent(Event):
    """The kernel has freed a packet early. ``kind``: loss or housekeeping."""

    type: ClassVar[str] = "drop"

    reason: str | None
    location: str
    kind: str
    size: int

    @property
    def is_housekeeping(self) -> bool:
        """Whether nothing is missing for it."""
        return self.kind == HOUSEKEEPING

    def record(self) -> Record:
        """The event as `events --json` has it."""
        ends = self.endpoints
        return {
            **self._begin(),
            "reason": self.reason,
            "location": self.location,
            "kind": self.kind,
            "interface": self.interface,
            "protocol": protocol_name(ends.protocol) if ends else None,
            "src_addr": ends.local_text if ends else None,
            "src_port": ends.local_port if ends else None,
            "dst_addr": ends.remote_text if ends else None,
            "dst_port": ends.remote_port if ends else None,
            "bytes": self.size,
        }


@dataclass(frozen=True, slots=True)
class DnsEvent(Event):
    """A DNS message. ``latency_us``: of a response, if its query was seen."""

    type: ClassVar[str] = "dns"

    kind: str
    message: Message
    latency_us: int | None

    def record(self) -> Record:
        """The event as `events --json` has it."""
        message = self.message
        return {
            **self._begin(),
            **self._wire(),
            "kind": self.kind,
            "name": message.name,
            "record_type": message.type,
            "rcode": message.rcode if message.is_response else None,
            "latency_us": self.latency_us,
            "truncated": message.is_truncated,
            "incomplete": message.is_incomplete,
            "answers": [
                {"name": a.name, "type": a.type, "ttl_s": a.ttl_s, "data": a.data}
                for a in message.answers
            ],
            **self.owner.record(),
        }
