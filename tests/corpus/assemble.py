# SPDX-License-Identifier: MIT
"""Frames assembled at random from building blocks: any link, IP header, transport or tunnel."""

import random
from typing import Any

from tests.corpus import wire
from tests.corpus.crafted import Addresses, Crafted

_PORTS = (0, 1, 22, 53, 80, 443, 4789, 8080, 32768, 60000, 65535)
# ICMP, IGMP, GRE, ESP, ICMPv6, none, EIGRP, OSPF, PIM, VRRP, UDP-Lite, MPLS, HIP, experiments.
_PORTLESS = bytes((1, 2, 47, 50, 58, 59, 88, 89, 103, 112, 136, 137, 139, 253, 254))
# LCP, IPCP, MPLS multicast, IPv4, IPv6.
_PPP_NUMBERS = (0xC021, 0x8021, 0x0283, 0x0021, 0x0057)
_TAGS = (wire.ETHERTYPE_CTAG, wire.ETHERTYPE_STAG)
# ARP, LLDP, PPPoE discovery, MACsec, PTP, and neighbours of the numbers that are looked into.
_OTHER_TYPES = (0x0806, 0x88CC, 0x8863, 0x88E5, 0x88F7, 0x9100, 0x6558)
_NEAR_TYPES = (0x0801, 0x86DC, 0x8101, 0x88A9, 0x8849, 0x8865)
# From less than the IP header on to more than there is: how far off a wrong length is.
_LENGTH_SHIFTS = (-40, -21, -20, -9, -8, -4, -1, 1, 4, 200, 30000)


class Assembler:
    """Assembles frames by the choices of `rng`."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.addresses = Addresses(rng)

    def frame(self, *, tunnels: int = 0) -> Crafted:
        """Return a frame of random layers, `tunnels` or more IP headers inside the outermost."""
        rng = self._rng
        if not tunnels and rng.random() < 0.08:
            return self._non_ip()
        version = 4 if rng.random() < 0.5 else 6
        packet, is_fragment = self._packet(version, tunnels)
        header = self._link(version, packet)
        frame = header + packet
        if rng.random() < 0.15:
            frame += wire.noise(rng.choice((1, 6, 18, 46)))
        return Crafted(_fit(frame, rng), len(header), version, is_fragment)

    def ports(self) -> tuple[int, int]:
        """Return a source and a destination port."""
        rng = self._rng
        destination = rng.choice(_PORTS) if rng.random() < 0.7 else rng.randrange(65536)
        return rng.choice(_PORTS), destination

    def link(self, version: int, packet: bytes) -> bytes:
        """Return link headers that lead to an IP packet."""
        return self._link(version, packet, astray=False)

    def _link(self, version: int, packet: bytes, *, astray: bool = True) -> bytes:
        """Return link headers; with `astray`, some have too many layers or say something else."""
        rng = self._rng
        ethertype = wire.ETHERTYPE_IPV4 if version == 4 else wire.ETHERTYPE_IPV6
        if rng.random() < 0.4:
            return wire.link(ethertype, packet)
        fields: dict[str, Any] = {}
        if rng.random() < 0.5:
            tags = rng.randint(1, 5 if astray else 4)
            fields["tags"] = rng.choices(_TAGS, k=tags)
        if rng.random() < 0.35:
            fields["labels"] = rng.randint(1, 10 if astray else 8)
        if rng.random() < 0.35:
            number = wire.PPP_NUMBERS[wire.ETHERTYPE_MPLS if "labels" in fields else ethertype]
            odd = astray and rng.random() < 0.15
            fields["ppp"] = rng.choice(_PPP_NUMBERS) if odd else number
            if astray and rng.random() < 0.05:
                fields["session"] = rng.choice((b"\x11\x09", b"\x21\x00", b"\x12\x00", b"\x00\x00"))
        header = wire.link(ethertype, packet, **fields)
        if "labels" in fields and "ppp" not in fields and rng.random() < 0.3:
            header = _multicast_labels(header, len(fields.get("tags", ())))
        return header

    def _non_ip(self) -> Crafted:
        """Return a frame of another ethertype or an 802.3 one, maybe after VLAN tags."""
        rng = self._rng
        choice = rng.random()
        ethertype = rng.choice(_OTHER_TYPES + _NEAR_TYPES) if choice < 0.5 else rng.randrange(65536)
        payload = wire.noise(rng.randrange(120), rng.randrange(4096))
        if choice > 0.75:
            ethertype = min(len(payload), 1500)
        tags = rng.choices(_TAGS, k=rng.choice((0, 0, 1, 2, 4, 5)))
        return Crafted(wire.link(ethertype, payload, tags=tags) + payload, None, None)

    def _packet(self, version: int, tunnels: int) -> tuple[bytes, bool]:
        """Return an IP packet, and whether it is a fragment."""
        protocol, payload = self._tunnel(tunnels) if tunnels else self._transport()
        return self._ipv4(protocol, payload) if version == 4 else self._ipv6(protocol, payload)

    def _ipv4(self, protocol: int, payload: bytes) -> tuple[bytes, bool]:
        rng = self._rng
        fields: dict[str, Any] = {"datagram_id": rng.randrange(65536)}
        if rng.random() < 0.25:
            fields["options"] = b"\x01" * 4 * rng.randint(1, 10)
        is_fragment = rng.random() < 0.08
        if is_fragment:
            fields["fragment_units"] = rng.choice((0, 0, 1, 185, 8191))
            fields["more_fragments"] = not fields["fragment_units"] or rng.random() < 0.5
        if rng.random() < 0.12:
            length = 20 + len(fields.get("options", b"")) + len(payload)
            fields["total_bytes"] = self._wrong_length(length)
        if rng.random() < 0.03:
            fields["first_byte"] = rng.choice((0x40, 0x43, 0x44, 0x4F, 0x65, 0x55, 0x05))
        pair = self._pair(4, is_fragment=is_fragment)
        return wire.ipv4(payload, protocol, pair, **fields), is_fragment

    def _ipv6(self, protocol: int, payload: bytes) -> tuple[bytes, bool]:
        rng = self._rng
        extensions = self._extensions()
        first, payload = wire.chain(extensions, protocol, payload)
        is_fragment = any(number == wire.FRAGMENT for number, _ in extensions)
        fields: dict[str, Any] = {}
        if rng.random() < 0.12:
            fields["payload_bytes"] = self._wrong_length(len(payload))
        if rng.random() < 0.03:
            fields["first_byte"] = rng.choice((0x40, 0x45, 0x70, 0x00))
        pair = self._pair(6, is_fragment=is_fragment)
        return wire.ipv6(payload, first, pair, **fields), is_fragment

    def _pair(self, version: int, *, is_fragment: bool) -> tuple[bytes, bytes]:
        return self.addresses.new_pair(version) if is_fragment else self.addresses.pair(version)

    def _wrong_length(self, length: int) -> int:
        """Return 0, a length that stops somewhere before the end, or one a little off."""
        rng = self._rng
        choice = rng.random()
        if choice < 0.3:
            return 0
        if choice < 0.6:
            return rng.randrange(length + 1)
        return max(0, length + rng.choice(_LENGTH_SHIFTS))

    def _extensions(self) -> list[wire.Extension]:
        """Return none to twelve extension headers; more than eight now and then."""
        rng = self._rng
        choice = rng.random()
        if choice < 0.4:
            return []
        count = rng.randint(1, 4) if choice < 0.85 else rng.randint(5, 12)
        numbers = rng.choices(wire.EXTENSIONS, weights=(3, 3, 1, 3, 3), k=count)
        return [self._extension(number) for number in numbers]

    def _extension(self, number: int) -> wire.Extension:
        rng = self._rng
        if number != wire.FRAGMENT:
            return wire.extension(number, rng.choice((0, 0, 0, 1, 2, 4, 7)))
        units = rng.choice((0, 0, 0, 1, 180, 8191))
        return wire.fragment_extension(units, rng.getrandbits(32), more=rng.random() < 0.5)

    def _transport(self) -> tuple[int, bytes]:
        """Return a protocol and its header with a payload, cut short now and then."""
        rng = self._rng
        choice = rng.random()
        if choice < 0.1:
            return self._tunnel(1)
        protocol = rng.choice(wire.PORT_PROTOCOLS) if choice < 0.75 else rng.choice(_PORTLESS)
        if choice > 0.97:
            protocol = rng.randrange(256)
        payload = wire.noise(self._payload_bytes(), rng.randrange(4096))
        fields: dict[str, Any] = {}
        if protocol == wire.TCP:
            fields["tcp_flags"] = rng.randrange(256)
            fields["tcp_options"] = b"\x01" * 4 * rng.choice((0, 0, 3, 5, 10))
        segment = wire.transport(protocol, *self.ports(), payload, **fields)
        return protocol, segment[: rng.randrange(20)] if rng.random() < 0.1 else segment

    def _payload_bytes(self) -> int:
        rng = self._rng
        choice = rng.random()
        if choice < 0.92:
            return rng.randrange(64)
        return rng.randrange(64, 1400) if choice < 0.995 else rng.randrange(1400, 2800)

    def _tunnel(self, depth: int) -> tuple[int, bytes]:
        """Return a tunnel's protocol and payload: an IP packet with `depth` - 1 more inside."""
        rng = self._rng
        version = 4 if rng.random() < 0.5 else 6
        inner, _ = self._packet(version, depth - 1)
        ethertype = wire.ETHERTYPE_IPV4 if version == 4 else wire.ETHERTYPE_IPV6
        choice = rng.random()
        if choice < 0.4:
            return (wire.IPIP if version == 4 else wire.IPV6), inner
        if choice < 0.7:
            return wire.GRE, wire.gre(ethertype, inner, key=rng.random() < 0.5)
        return wire.UDP, wire.vxlan(wire.link(ethertype, inner) + inner, rng.randrange(65536))


def _multicast_labels(header: bytes, tags: int) -> bytes:
    """Return link headers with MPLS under its other ethertype."""
    place = 12 + 4 * tags
    return header[:place] + wire.ETHERTYPE_MPLS_MULTICAST.to_bytes(2, "big") + header[place + 2 :]


def _fit(frame: bytes, rng: random.Random) -> bytes:
    """Cut a frame to the usual size, but leave one of two long ones as a jumbo frame."""
    if len(frame) <= wire.MAX_FRAME_BYTES or rng.random() < 0.5:
        return frame[: wire.MAX_JUMBO_BYTES]
    return frame[: wire.MAX_FRAME_BYTES]
