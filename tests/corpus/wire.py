# SPDX-License-Identifier: MIT
"""Building blocks of frames: headers as bytes, with any field as wrong as the caller likes.

Checksums are left zero: no parser here looks at them. Numbers are host order; lengths are in the
unit that the name says.
"""

import random
import struct
from collections.abc import Iterable, Sequence

MIN_FRAME_BYTES = 14
MAX_FRAME_BYTES = 1514
"""An Ethernet frame of the usual 1500 bytes of payload, without its checksum."""
MAX_JUMBO_BYTES = 3000

ETHERTYPE_IPV4, ETHERTYPE_IPV6 = 0x0800, 0x86DD
ETHERTYPE_CTAG, ETHERTYPE_STAG = 0x8100, 0x88A8
ETHERTYPE_PPPOE = 0x8864
ETHERTYPE_MPLS, ETHERTYPE_MPLS_MULTICAST = 0x8847, 0x8848
PPP_NUMBERS = {ETHERTYPE_IPV4: 0x0021, ETHERTYPE_IPV6: 0x0057, ETHERTYPE_MPLS: 0x0281}

ICMP, IPIP, TCP, UDP, DCCP, IPV6, GRE, ESP, ICMPV6, SCTP = 1, 4, 6, 17, 33, 41, 47, 50, 58, 132
HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION = 0, 43, 44, 51, 60
EXTENSIONS = (HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION)
PORT_PROTOCOLS = (TCP, UDP, DCCP, SCTP)

MACS = bytes.fromhex("020000000002020000000001")
VXLAN_PORT = 4789
_NOISE = random.Random(0).randbytes(8192)

Extension = tuple[int, bytes]
"""An IPv6 extension header: its number, and its bytes with the next header to be filled in."""


def noise(length: int, start: int = 0) -> bytes:
    """Return `length` (at most 4096) bytes of payload that look like nothing in particular."""
    return _NOISE[start & 0xFFF : (start & 0xFFF) + length]


def link(
    ethertype: int,
    payload: bytes,
    *,
    tags: Sequence[int] = (),
    ppp: int | None = None,
    labels: int = 0,
    session: bytes = b"\x11\x00",
) -> bytes:
    """Return the link headers in front of an IP header, without `payload` itself.

    `tags` are the ethertypes of VLAN tags from the outside in, `ppp` is the PPP protocol in a PPPoE
    session (None: no PPPoE), `labels` counts MPLS labels, `session` is PPPoE's version, type, code.
    """
    header = b"".join(mpls_label(bottom=left == 0) for left in reversed(range(labels)))
    if labels:
        ethertype = ETHERTYPE_MPLS
    if ppp is not None:
        header = session + struct.pack(">HHH", 7, 2 + len(header) + len(payload), ppp) + header
        ethertype = ETHERTYPE_PPPOE
    for vlan, tag in enumerate(reversed(tags), start=100):
        header = struct.pack(">HH", vlan, ethertype) + header
        ethertype = tag
    return MACS + struct.pack(">H", ethertype) + header


def mpls_label(*, bottom: bool, label: int = 1000) -> bytes:
    """Return one MPLS label stack entry."""
    return struct.pack(">I", label << 12 | bottom << 8 | 64)


def ipv4(
    payload: bytes,
    protocol: int,
    addresses: tuple[bytes, bytes],
    *,
    options: bytes = b"",
    datagram_id: int = 0,
    fragment_units: int = 0,
    more_fragments: bool = False,
    total_bytes: int | None = None,
    first_byte: int | None = None,
) -> bytes:
    """Return an IPv4 packet; `addresses` are source and destination, a fragment unit is 8 bytes."""
    header_bytes = 20 + len(options)
    length = header_bytes + len(payload) if total_bytes is None else total_bytes
    version_ihl = 0x40 | header_bytes // 4 if first_byte is None else first_byte
    fragment = more_fragments << 13 | fragment_units
    fields = (version_ihl, 0, length & 0xFFFF, datagram_id, fragment, 64, protocol, 0, *addresses)
    return struct.pack(">BBHHHBBH4s4s", *fields) + options + payload


def ipv6(
    payload: bytes,
    next_header: int,
    addresses: tuple[bytes, bytes],
    *,
    payload_bytes: int | None = None,
    first_byte: int = 0x60,
) -> bytes:
    """Return an IPv6 packet; extension headers are part of the payload."""
    length = len(payload) if payload_bytes is None else payload_bytes
    fields = (first_byte << 24, length & 0xFFFF, next_header, 64, *addresses)
    return struct.pack(">IHBB16s16s", *fields) + payload


def extension(number: int, units: int = 0) -> Extension:
    """Return an options, routing or authentication header with `units` in its length field."""
    size = (units + 2) * 4 if number == AUTHENTICATION else (units + 1) * 8
    # A PadN option as long as the header: mostly there in options headers, no harm in others.
    return number, (bytes((0, units, 1, min(size - 4, 255))) + bytes(size))[:size]


def fragment_extension(units: int, datagram_id: int, *, more: bool) -> Extension:
    """Return a fragment header; `units` of eight bytes are its offset."""
    return FRAGMENT, struct.pack(">BBHI", 0, 0, units << 3 | more, datagram_id)


def chain(extensions: Iterable[Extension], protocol: int, payload: bytes) -> tuple[int, bytes]:
    """Put extension headers in front of `payload`; return the first one's number and all bytes."""
    for number, header in reversed(list(extensions)):
        payload = bytes((protocol,)) + header[1:] + payload
        protocol = number
    return protocol, payload


def transport(
    protocol: int,
    source_port: int,
    destination_port: int,
    payload: bytes = b"",
    *,
    tcp_flags: int = 0x10,
    tcp_options: bytes = b"",
) -> bytes:
    """Return a transport header and `payload`; protocols without ports have some there as well."""
    ports = struct.pack(">HH", source_port, destination_port)
    if protocol == TCP:
        offset = (20 + len(tcp_options)) // 4 << 4
        return (
            ports
            + struct.pack(">IIBBHHH", 1, 1, offset, tcp_flags, 8192, 0, 0)
            + tcp_options
            + payload
        )
    if protocol == SCTP:
        return ports + struct.pack(">IIBBH", 1, 0, 0, 3, 16 + len(payload)) + noise(12) + payload
    if protocol == DCCP:
        return ports + struct.pack(">BBHBBHI", 4, 0, 0, 1, 0, 0, 1) + payload
    return ports + struct.pack(">HH", 8 + len(payload), 0) + payload


def vxlan(inner_frame: bytes, source_port: int) -> bytes:
    """Return a UDP datagram with an Ethernet frame in VXLAN."""
    return transport(UDP, source_port, VXLAN_PORT, bytes((8, 0, 0, 0, 0, 0, 42, 0)) + inner_frame)


def gre(ethertype: int, payload: bytes, *, key: bool) -> bytes:
    """Return a GRE header, with or without a key, and `payload`."""
    return (
        struct.pack(">HH", 0x2000 if key else 0, ethertype) + (bytes(4) if key else b"") + payload
    )


def flipped(address: bytes, bit: int) -> bytes:
    """The address with one bit changed; 0 is the last, least significant one."""
    return (int.from_bytes(address, "big") ^ 1 << bit).to_bytes(len(address), "big")
