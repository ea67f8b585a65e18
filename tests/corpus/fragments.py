# SPDX-License-Identifier: MIT
"""Frames of fragmented datagrams, sent by one of the plans and mixed with each other."""

import random

from tests.corpus import wire
from tests.corpus.assemble import Assembler
from tests.corpus.crafted import Crafted
from tests.corpus.datagram import Datagram, cut_up, packet
from tests.corpus.fragment_plans import PLANS, Part

# Ports or none, and those two most that are fragmented most.
_PROTOCOLS = (*wire.PORT_PROTOCOLS, wire.TCP, wire.UDP, wire.UDP, wire.ICMP, wire.ESP)


class FragmentSource:
    """Makes the frames of fragmented datagrams, by the choices of `rng`."""

    def __init__(self, rng: random.Random, assembler: Assembler) -> None:
        self._rng = rng
        self._assembler = assembler

    def sequences(self) -> list[Crafted]:
        """Return the frames of one to three fragmented datagrams, mixed, but each in its order."""
        queues = [self.sequence() for _ in range(self._rng.choice((1, 1, 2, 3)))]
        mixed = []
        while queues:
            mixed.append(self._rng.choice(queues).pop(0))
            queues = [queue for queue in queues if queue]
        return mixed

    def sequence(self) -> list[Crafted]:
        """Return the frames of one fragmented datagram, or of two related ones."""
        version = 4 if self._rng.random() < 0.5 else 6
        protocol, body = self._body()
        if version == 4:
            datagram = self._ipv4(protocol)
        else:
            if self._rng.random() < 0.3:
                protocol, body = self._extended(protocol, body)
            datagram = self._ipv6(protocol)
        plan = self._rng.choice(PLANS)
        return [self._frame(part) for part in plan(self._rng, datagram, cut_up(self._rng, body))]

    def _body(self) -> tuple[int, bytes]:
        rng = self._rng
        protocol = rng.choice(_PROTOCOLS)
        payload = wire.noise(rng.choice((9, 24, 40, 90, 200)), rng.randrange(4096))
        ports = self._assembler.ports()
        return protocol, wire.transport(protocol, *ports, payload, tcp_flags=rng.randrange(256))

    def _extended(self, protocol: int, body: bytes) -> tuple[int, bytes]:
        """Put extension headers in front of the transport header, inside the fragmentable part."""
        units = self._rng.choice((0, 1, 3))
        extensions = [wire.extension(wire.DESTINATION, units)] * self._rng.randint(1, 2)
        return wire.chain(extensions, protocol, body)

    def _ipv4(self, protocol: int) -> Datagram:
        options = b"\x01" * 4 * self._rng.choice((0, 0, 0, 1, 10))
        pair = self._assembler.addresses.new_pair(4)
        return Datagram(4, pair, self._rng.randrange(65536), protocol, options=options)

    def _ipv6(self, protocol: int) -> Datagram:
        numbers = [n for n in (wire.HOP_BY_HOP, wire.ROUTING) if self._rng.random() < 0.3]
        outer = tuple(wire.extension(number) for number in numbers)
        pair = self._assembler.addresses.new_pair(6)
        return Datagram(6, pair, self._rng.getrandbits(32), protocol, unfragmentable=outer)

    def _frame(self, part: Part) -> Crafted:
        datagram, piece = part
        carried = packet(datagram, piece)
        header = self._assembler.link(datagram.version, carried)
        frame = header + carried + bytes(piece.padding)
        return Crafted(frame, len(header), datagram.version, is_fragment=True)
