# SPDX-License-Identifier: MIT
"""The two ends of a flow, as they are on the wire."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from trafficmon.events.unpack import unpacker
from trafficmon.layout import FLOW_KEY, FlowFlag
from trafficmon.protocols import protocol_name
from trafficmon.tables.addresses import address_text
from trafficmon.tables.table import Record

_KEY = unpacker(
    FLOW_KEY,
    "local_addr",
    "remote_addr",
    "local_port_be",
    "remote_port_be",
    "interface_id",
    "protocol",
    "flags",
)
_IPV6, _PORTS = int(FlowFlag.IPV6), int(FlowFlag.PORTS)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Protocol, addresses and ports of a flow.

    Addresses are 16 bytes in network order, IPv4 in the first four. Ports are in host order; None
    where the protocol has none.
    """

    protocol: int
    is_ipv6: bool
    local_addr: bytes
    local_port: int | None
    remote_addr: bytes
    remote_port: int | None

    @property
    def local_text(self) -> str:
        """The local address as text (RFC 5952)."""
        return address_text(self.local_addr, ipv6=self.is_ipv6)

    @property
    def remote_text(self) -> str:
        """The remote address as text (RFC 5952)."""
        return address_text(self.remote_addr, ipv6=self.is_ipv6)

    def record(self) -> Record:
        """The fields of a record."""
        return {
            "protocol": protocol_name(self.protocol),
            "local_addr": self.local_text,
            "local_port": self.local_port,
            "remote_addr": self.remote_text,
            "remote_port": self.remote_port,
        }


def endpoints_of(key: bytes) -> tuple[Endpoints, int, bool]:
    """A FLOW_KEY: endpoints, interface_id, and whether it is of an IP packet at all."""
    local, remote, local_port_be, remote_port_be, interface_id, protocol, flags = _KEY(key)
    has_ports = flags & _PORTS
    ends = Endpoints(
        protocol,
        bool(flags & _IPV6),
        local,
        socket.ntohs(local_port_be) if has_ports else None,
        remote,
        socket.ntohs(remote_port_be) if has_ports else None,
    )
    return ends, interface_id, bool(flags)
