# SPDX-License-Identifier: MIT
"""Ways to send the pieces of a datagram: as it should be, and as networks and attackers do it."""

import random
from collections.abc import Callable
from dataclasses import replace

from tests.corpus import wire
from tests.corpus.datagram import Datagram, Piece

Part = tuple[Datagram, Piece]
Plan = Callable[[random.Random, Datagram, list[Piece]], list[Part]]


def _all(datagram: Datagram, pieces: list[Piece]) -> list[Part]:
    return [(datagram, piece) for piece in pieces]


def in_order(_rng: random.Random, datagram: Datagram, pieces: list[Piece]) -> list[Part]:
    return _all(datagram, pieces)


def backwards(_rng: random.Random, datagram: Datagram, pieces: list[Piece]) -> list[Part]:
    return _all(datagram, pieces[::-1])


def shuffled(rng: random.Random, datagram: Datagram, pieces: list[Piece]) -> list[Part]:
    return _all(datagram, rng.sample(pieces, len(pieces)))


def first_missing(_rng: random.Random, datagram: Datagram, pieces: list[Piece]) -> list[Part]:
    return _all(datagram, pieces[1:])


def one_missing(rng: random.Random, datagram: Datagram, pieces: list[Piece]) -> list[Part]:
    lost = rng.randrange(len(pieces))
    return _all(datagram, pieces[:lost] + pieces[lost + 1 :])


def one_twice(rng: random.Random, datagram: Datagram, pieces: list[Piece]) -> list[Part]:
    again = rng.randrange(len(pieces))
    return _all(datagram, pieces[: again + 1] + pieces[again:])


def one_again_at_the_end(rng: random.Random, datagram: Datagram, pieces: list[Piece]) -> list[Part]:
    return _all(datagram, [*pieces, rng.choice(pieces)])


def overlapping(rng: random.Random, datagram: Datagram, pieces: list[Piece]) -> list[Part]:
    """Let a later piece begin up to three units early, or one late."""
    moved = rng.randrange(1, len(pieces))
    units = max(0, pieces[moved].units + rng.choice((-3, -2, -1, -1, 1)))
    return _all(
        datagram, [*pieces[:moved], replace(pieces[moved], units=units), *pieces[moved + 1 :]]
    )


def id_again(rng: random.Random, datagram: Datagram, pieces: list[Piece]) -> list[Part]:
    """Send a datagram of another port under the same id, after some or all of the one before."""
    other_first = replace(pieces[0], body=b"\x77" + pieces[0].body[1:])
    before = pieces[: rng.randint(1, len(pieces))]
    return _all(datagram, [*before, other_first, *pieces[1:]])


def other_protocol(rng: random.Random, datagram: Datagram, pieces: list[Piece]) -> list[Part]:
    """Let later pieces name another protocol: another datagram in IPv4, the same in IPv6."""
    numbers = (wire.TCP, wire.UDP, wire.DESTINATION, wire.ICMP)
    other = replace(datagram, protocol=rng.choice(numbers))
    return [(other if piece.units and rng.random() < 0.6 else datagram, piece) for piece in pieces]


def other_datagram(rng: random.Random, datagram: Datagram, pieces: list[Piece]) -> list[Part]:
    """Let later pieces come under another id, from the other end, or from or to another host."""
    source, destination = datagram.addresses
    neighbours = [end[:-1] + bytes((end[-1] ^ 1,)) for end in (source, destination)]
    others = (
        replace(datagram, datagram_id=datagram.datagram_id ^ 1),
        replace(datagram, addresses=(destination, source)),
        replace(datagram, addresses=(neighbours[0], destination)),
        replace(datagram, addresses=(source, neighbours[1])),
    )
    other = rng.choice(others)
    return [(other if piece.units and rng.random() < 0.5 else datagram, piece) for piece in pieces]


def whole_between(rng: random.Random, datagram: Datagram, pieces: list[Piece]) -> list[Part]:
    """Send a whole datagram under the same id between the fragments: in IPv6, an atomic one."""
    whole = Piece(0, b"".join(piece.body for piece in pieces), more=False)
    place = rng.randint(1, len(pieces))
    return _all(datagram, [*pieces[:place], whole, *pieces[place:]])


def odd_lengths(rng: random.Random, datagram: Datagram, pieces: list[Piece]) -> list[Part]:
    """Pad the frames, and leave the length field of some 0: then the padding counts as seen."""
    odd = []
    for piece in pieces:
        padding = rng.choice((0, 0, 6, 16))
        odd.append(replace(piece, zero_length=rng.random() < 0.4, padding=padding))
    return _all(datagram, odd)


def first_cut(rng: random.Random, datagram: Datagram, pieces: list[Piece]) -> list[Part]:
    """Let the first piece end within its ports, or right after them."""
    first = replace(pieces[0], body=pieces[0].body[: rng.randrange(8)])
    return _all(datagram, [first, *pieces[1:]])


def beyond_the_end(_rng: random.Random, datagram: Datagram, pieces: list[Piece]) -> list[Part]:
    """Send more of a datagram after its last fragment."""
    units = pieces[-1].units + len(pieces[-1].body) // 8 + 1
    return _all(datagram, [*pieces, *(Piece(units + n, bytes(8), more=n == 0) for n in range(2))])


def no_end(_rng: random.Random, datagram: Datagram, pieces: list[Piece]) -> list[Part]:
    """Say of every piece that more follow, pass the largest datagram, then begin again."""
    endless = [replace(piece, more=True) for piece in pieces]
    beyond = [Piece(8000, bytes(8), more=True), Piece(8191, bytes(24), more=True)]
    return _all(datagram, [*endless, *beyond, Piece(3, bytes(8), more=True), *pieces])


PLANS: tuple[Plan, ...] = (
    *(in_order,) * 4,
    backwards,
    shuffled,
    first_missing,
    one_missing,
    one_twice,
    one_again_at_the_end,
    overlapping,
    id_again,
    other_protocol,
    other_datagram,
    whole_between,
    odd_lengths,
    first_cut,
    beyond_the_end,
    no_end,
)
