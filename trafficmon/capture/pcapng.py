# SPDX-License-Identifier: MIT
"""pcapng, as draft-ietf-opsawg-pcapng has it: the blocks and options that a capture of ours needs.

Our own, as it is a page long: what libraries there are write no packet comments, or bring a packet
parser along.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

from trafficmon.render.safe import escape_bytes

LINKTYPE_ETHERNET, LINKTYPE_RAW = 1, 101
_SECTION, _INTERFACE, _STATISTICS, _PACKET = 0x0A0D0D0A, 1, 5, 6
_BYTE_ORDER, _UNKNOWN_LENGTH = 0x1A2B3C4D, 0xFFFFFFFFFFFFFFFF
_COMMENT, _END = 1, 0
_OS, _APPLICATION = 3, 4  # of a section
_NAME, _DESCRIPTION, _RESOLUTION = 2, 3, 9  # of an interface
_FLAGS, _DROPS = 2, 4  # of a packet
_RECEIVED, _DROPPED, _DELIVERED = 4, 5, 8  # of statistics
_INBOUND, _OUTBOUND = 1, 2
_NANOSECONDS = 9

Option = tuple[int, bytes]


@dataclass(frozen=True)
class Packet:
    """``data`` of a packet of ``length`` bytes; ``dropped`` of its interface since the last."""

    interface: int
    at_ns: int  # since 1970
    data: bytes
    length: int
    is_rx: bool
    dropped: int
    comment: str | None


class PcapngWriter:
    """Writes one section to a stream; the caller opens, flushes and closes that."""

    def __init__(self, stream: BinaryIO, application: str, system: str) -> None:
        self._stream = stream
        self._interfaces = 0
        options = [(_OS, system.encode()), (_APPLICATION, application.encode())]
        head = struct.pack("=IHHQ", _BYTE_ORDER, 1, 0, _UNKNOWN_LENGTH)
        self._block(_SECTION, head + _options(options))

    def add_interface(self, name: str, link_type: int, snap_bytes: int, expression: str) -> int:
        """Its number, to be named with its packets."""
        options = [(_NAME, _utf8(name)), (_RESOLUTION, bytes([_NANOSECONDS]))]
        if expression:
            options.append((_DESCRIPTION, _utf8(f"packets that match: {expression}")))
        self._block(_INTERFACE, struct.pack("=HHI", link_type, 0, snap_bytes) + _options(options))
        self._interfaces += 1
        return self._interfaces - 1

    def write(self, packet: Packet) -> None:
        """One packet."""
        direction = _INBOUND if packet.is_rx else _OUTBOUND
        options = [(_FLAGS, struct.pack("=I", direction))]
        if packet.dropped:
            options.append((_DROPS, struct.pack("=Q", packet.dropped)))
        if packet.comment:
            options.append((_COMMENT, _utf8(packet.comment)))
        head = struct.pack(
            "=IIIII",
            packet.interface,
            packet.at_ns >> 32,
            packet.at_ns & 0xFFFFFFFF,
            len(packet.data),
            packet.length,
        )
        self._block(_PACKET, head + _padded(packet.data) + _options(options))

    def add_statistics(self, interface: int, at_ns: int, counts: tuple[int, int, int]) -> None:
        """How many packets matched, were dropped for want of room, and are in the file."""
        names = (_RECEIVED, _DROPPED, _DELIVERED)
        options = [(n, struct.pack("=Q", c)) for n, c in zip(names, counts, strict=True)]
        head = struct.pack("=III", interface, at_ns >> 32, at_ns & 0xFFFFFFFF)
        self._block(_STATISTICS, head + _options(options))

    def _block(self, kind: int, body: bytes) -> None:
        length = len(body) + 12
        self._stream.write(struct.pack("=II", kind, length) + body + struct.pack("=I", length))


def _options(options: Iterable[Option]) -> bytes:
    parts = [
        struct.pack("=HH", code, len(value)) + _padded(value)
        for code, value in ((code, value[:0xFFFF]) for code, value in options)
    ]
    return b"".join(parts) + struct.pack("=HH", _END, 0)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _utf8(text: str) -> bytes:
    """As the format requires, also where a name's bytes are not UTF-8."""
    return escape_bytes(text).encode()
