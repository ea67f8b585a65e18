# SPDX-License-Identifier: MIT
"""The reference parser: what one frame counts as, made independently of the BPF programs.

It works on slices (each step takes a header off and hands on the rest) and on dpkt's header
layouts, so that it shares neither code nor manner with the kernel side. It remembers first
fragments as the kernel side does, but does not forget them after two seconds.
"""

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import dpkt

from tests.corpus import headers
from tests.corpus.link import unwrap

TCP = 6
PORT_PROTOCOLS = frozenset({TCP, 17, 33, 132})  # TCP, UDP, DCCP, SCTP
FRAGMENT = 44
AUTHENTICATION = 51
EXTENSIONS = frozenset({0, 43, FRAGMENT, AUTHENTICATION, 60})
MAX_EXTENSIONS = 8
EXTENSION_MIN_BYTES = 8
FRAGMENT_UNIT_BYTES = 8

Direction = Literal["rx", "tx"]
Ports = tuple[int, int]


@dataclass(frozen=True, slots=True)
class FlowKey:
    """A flow from this host's point of view: local is the destination of what is received."""

    version: int
    protocol: int
    local_addr: bytes
    local_port: int | None
    remote_addr: bytes
    remote_port: int | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one frame counts as.

    `key` is there for flows, `ethertype` (the last one read) for non-IP frames, `version` (4 or 6)
    for broken IP headers; `tcp_flags` are the eight bits CWR to FIN. `fragment` says more than the
    kernel side does and is left out of comparisons.
    """

    kind: Literal["flow", "non_ip", "broken"]
    key: FlowKey | None = None
    ethertype: int | None = None
    version: int | None = None
    tcp_flags: int = 0
    fragment: Literal["first", "later"] | None = field(default=None, compare=False)


class _Fragment(NamedTuple):
    """The place of a packet in its fragmented datagram."""

    datagram: tuple[object, ...]
    start_bytes: int
    end_bytes: int
    more: bool


class _Packet(NamedTuple):
    """The outermost IP packet: `payload` ends at its limit, whole datagrams have no `fragment`."""

    version: int
    protocol: int
    source: bytes
    destination: bytes
    payload: bytes
    fragment: _Fragment | None

    @property
    def is_later_fragment(self) -> bool:
        return self.fragment is not None and self.fragment.start_bytes > 0


class Reference:
    """The reference parser for the frames of one interface in one direction."""

    def __init__(self, direction: Direction) -> None:
        self._direction = direction
        self._fragments = _FragmentMemory()

    def parse(self, frame: bytes) -> Verdict:
        """Say what `frame` (from the first byte of its Ethernet header) counts as.

        Raises ValueError for fewer than 14 bytes.
        """
        link = unwrap(frame)
        if link.version is None:
            return Verdict("non_ip", ethertype=link.ethertype)
        packet = _ipv4(link.payload) if link.version == 4 else _ipv6(link.payload)
        if packet is None:
            return Verdict("broken", version=link.version)
        if packet.is_later_fragment:
            protocol, ports = self._fragments.claim(packet)
            return Verdict("flow", self._key(packet, protocol, ports), fragment="later")
        ports = _ports(packet)
        key = self._key(packet, packet.protocol, ports)
        if packet.fragment is not None:
            self._fragments.remember(packet, ports)
            return Verdict("flow", key, tcp_flags=_tcp_flags(packet), fragment="first")
        return Verdict("flow", key, tcp_flags=_tcp_flags(packet))

    def _key(self, packet: _Packet, protocol: int, ports: Ports | None) -> FlowKey:
        source_port, destination_port = ports or (None, None)
        source = (packet.source, source_port)
        destination = (packet.destination, destination_port)
        local, remote = (destination, source) if self._direction == "rx" else (source, destination)
        return FlowKey(packet.version, protocol, *local, *remote)


class _FragmentMemory:
    """The flows of datagrams whose first fragment was seen, until the last one or an overlap."""

    def __init__(self) -> None:
        self._seen: dict[tuple[object, ...], tuple[int, Ports, int]] = {}

    def remember(self, packet: _Packet, ports: Ports | None) -> None:
        """Keep the flow of a first fragment; one without ports leaves what is there as it is."""
        fragment = packet.fragment
        if fragment is not None and ports is not None:
            self._seen[fragment.datagram] = (packet.protocol, ports, fragment.end_bytes)

    def claim(self, packet: _Packet) -> tuple[int, Ports | None]:
        """Return the protocol and ports of a later fragment's flow."""
        fragment = packet.fragment
        if fragment is None or fragment.datagram not in self._seen:
            return packet.protocol, None
        protocol, ports, seen_bytes = self._seen.pop(fragment.datagram)
        if fragment.start_bytes < seen_bytes:
            return packet.protocol, None
        if fragment.more:
            self._seen[fragment.datagram] = (protocol, ports, fragment.end_bytes)
        return protocol, ports


def _ipv4(data: bytes) -> _Packet | None:
    """Read an IPv4 header; None when it is broken."""
    try:
        header: Any = headers.Ipv4(data)
    except dpkt.NeedData:
        return None
    header_bytes = header.hl * 4
    if header.v != 4 or not 20 <= header_bytes <= len(data):
        return None
    # A total length of 0 is a segmentation offload's super-packet: the frame's end is the packet's.
    payload = data[header_bytes : header.len or None]
    fragment = None
    if header.offset or header.mf:
        datagram = (header.src, header.dst, header.id, header.p)
        start = header.offset * FRAGMENT_UNIT_BYTES
        fragment = _Fragment(datagram, start, start + len(payload), bool(header.mf))
    return _Packet(4, header.p, header.src, header.dst, payload, fragment)


def _ipv6(data: bytes) -> _Packet | None:
    """Read an IPv6 header and its extension headers; None when one of them is broken."""
    try:
        header: Any = headers.Ipv6(data)
    except dpkt.NeedData:
        return None
    if header.v != 6:
        return None
    number: int = header.nxt
    payload: bytes = header.data[: header.plen or None]
    fragment = None
    for _ in range(MAX_EXTENSIONS):
        if number not in EXTENSIONS:
            break
        size = _extension_bytes(number, payload)
        if size is None:
            return None
        if number == FRAGMENT:
            fragment = _ipv6_fragment((header.src, header.dst), payload)
        number, payload = payload[0], payload[size:]
        if fragment is not None and fragment.start_bytes:
            break
    return _Packet(6, number, header.src, header.dst, payload, fragment)


def _extension_bytes(number: int, data: bytes) -> int | None:
    """Return the length of the extension header `data` begins with; None when it does not fit."""
    if len(data) < EXTENSION_MIN_BYTES:
        return None
    extension: Any = headers.Ipv6Extension(data)
    size: int = (extension.len + 1) * 8
    if number == FRAGMENT:
        size = EXTENSION_MIN_BYTES
    elif number == AUTHENTICATION:
        size = (extension.len + 2) * 4
    return size if size <= len(data) else None


def _ipv6_fragment(addresses: tuple[bytes, bytes], data: bytes) -> _Fragment | None:
    """Read the fragment header `data` begins with; None for an atomic fragment (RFC 6946)."""
    extension: Any = headers.Ipv6Fragment(data)
    if not extension.frag_off and not extension.m_flag:
        return None
    start = extension.frag_off * FRAGMENT_UNIT_BYTES
    datagram = (*addresses, extension.id)
    return _Fragment(datagram, start, start + len(extension.data), bool(extension.m_flag))


def _ports(packet: _Packet) -> Ports | None:
    if packet.protocol not in PORT_PROTOCOLS or len(packet.payload) < headers.Ports.__hdr_len__:
        return None
    header: Any = headers.Ports(packet.payload)
    return header.sport, header.dport


def _tcp_flags(packet: _Packet) -> int:
    if packet.protocol != TCP or len(packet.payload) < headers.TcpFlags.__hdr_len__:
        return 0
    header: Any = headers.TcpFlags(packet.payload)
    # dpkt counts nine flags, with the nonce sum of RFC 3540 on top.
    flags: int = header.flags & 0xFF
    return flags
