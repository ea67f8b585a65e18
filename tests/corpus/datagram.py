# SPDX-License-Identifier: MIT
"""An IP datagram, the pieces it is cut into, and the packets that carry them."""

import itertools
import random
from dataclasses import dataclass

from tests.corpus import wire

UNIT_BYTES = 8


@dataclass(frozen=True)
class Datagram:
    """An IP datagram to be fragmented: `protocol` numbers what its body begins with.

    `unfragmentable` are the IPv6 extension headers in front of the fragment header; those after it
    are part of the body.
    """

    version: int
    addresses: tuple[bytes, bytes]
    datagram_id: int
    protocol: int
    unfragmentable: tuple[wire.Extension, ...] = ()
    options: bytes = b""


@dataclass(frozen=True)
class Piece:
    """A part of a datagram's body: where it begins, in units of eight bytes, and its bytes.

    `zero_length` leaves the length field of the IP header 0, `padding` follows the IP packet.
    """

    units: int
    body: bytes
    more: bool
    zero_length: bool = False
    padding: int = 0


def packet(datagram: Datagram, piece: Piece) -> bytes:
    """Return the IP packet that carries `piece` of `datagram`."""
    length = 0 if piece.zero_length else None
    if datagram.version == 4:
        return wire.ipv4(
            piece.body,
            datagram.protocol,
            datagram.addresses,
            options=datagram.options,
            datagram_id=datagram.datagram_id,
            fragment_units=piece.units,
            more_fragments=piece.more,
            total_bytes=length,
        )
    fragment = wire.fragment_extension(piece.units, datagram.datagram_id, more=piece.more)
    extensions = (*datagram.unfragmentable, fragment)
    number, payload = wire.chain(extensions, datagram.protocol, piece.body)
    return wire.ipv6(payload, number, datagram.addresses, payload_bytes=length)


def cut_up(rng: random.Random, body: bytes) -> list[Piece]:
    """Cut a body of nine or more bytes into two to six pieces; now and then the first is tiny."""
    units = (len(body) + UNIT_BYTES - 1) // UNIT_BYTES
    cuts = sorted(rng.sample(range(1, units), min(rng.randint(1, 5), units - 1)))
    if rng.random() < 0.3:
        cuts[0] = 1
    return [
        Piece(start, body[start * UNIT_BYTES : end * UNIT_BYTES], end < units)
        for start, end in itertools.pairwise([0, *cuts, units])
    ]
