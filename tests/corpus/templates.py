# SPDX-License-Identifier: MIT
"""Frames of real protocols, built once by scapy: what the corpus cuts, corrupts and varies."""

import functools
from collections.abc import Iterator
from typing import Any

from scapy.contrib.lldp import (
    LLDPDU,
    LLDPDUChassisID,
    LLDPDUEndOfLLDPDU,
    LLDPDUPortID,
    LLDPDUTimeToLive,
)
from scapy.contrib.mpls import MPLS
from scapy.contrib.ospf import OSPF_Hdr, OSPF_Hello
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6ND_NS,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.ipsec import AH, ESP
from scapy.layers.l2 import ARP, GRE, LLC, SNAP, STP, Dot1AD, Dot1Q, Dot3, Ether
from scapy.layers.ppp import PPP, PPP_LCP, PPPoE
from scapy.layers.sctp import SCTP, SCTPChunkData, SCTPChunkInit
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw

from tests.corpus.crafted import Crafted

_MACS: dict[str, Any] = {"src": "02:00:00:00:00:01", "dst": "02:00:00:00:00:02"}
_ETHER = Ether(**_MACS)
_V4: dict[str, Any] = {"src": "10.0.0.1", "dst": "10.0.0.2"}
_V6: dict[str, Any] = {"src": "2001:db8::1", "dst": "2001:db8::2"}
_DATA = Raw(b"some payload")
_DCCP_REQUEST = Raw(bytes.fromhex("1388 1389 07000000 00010000 00000001 00000000"))
_UDPLITE = Raw(bytes.fromhex("1388 1389 0008 0000") + b"lite")


@functools.cache
def templates() -> dict[str, Crafted]:
    """Return the templates by name."""
    made: dict[str, Crafted] = {}
    for name, packet in _ip_packets():
        made[name] = _ip_frame(_ETHER, packet, name)
    for link_name, link in _links():
        for name, packet in _carried():
            made[f"{link_name} {name}"] = _ip_frame(link, packet, name)
    for name, frame in _non_ip():
        made[name] = Crafted(bytes(frame), None, None)
    padded = made["ipv4 udp"]
    made["ipv4 udp padded"] = padded._replace(data=padded.data.ljust(60, b"\0"))
    made["ipv4 udp empty padded"] = _padded(IP(**_V4) / UDP(sport=7, dport=9))
    made["ipv4 no payload padded"] = _padded(IP(**_V4, proto=6))
    made["ipv6 no payload padded"] = _padded(IPv6(**_V6, nh=17))
    return made


def _ip_frame(link: Packet, packet: Packet, name: str) -> Crafted:
    version = 4 if isinstance(packet, IP) else 6
    return Crafted(bytes(link / packet), len(bytes(link)), version, "fragment" in name)


def _padded(packet: Packet) -> Crafted:
    """Return a frame padded to the Ethernet minimum with bytes that would make fine ports."""
    frame = _ip_frame(_ETHER, packet, "")
    return frame._replace(data=frame.data.ljust(60, b"\x50"))


def _links() -> Iterator[tuple[str, Packet]]:
    """Yield link layers that lead to IP by their next layer's number."""
    yield "vlan", _ETHER / Dot1Q(vlan=5)
    yield "qinq", _ETHER / Dot1AD(vlan=5) / Dot1Q(vlan=6)
    yield "three tags", _ETHER / Dot1AD(vlan=5) / Dot1Q(vlan=6) / Dot1Q(vlan=7)
    yield "four tags", _ETHER / Dot1Q(vlan=5) / Dot1Q(vlan=6) / Dot1AD(vlan=7) / Dot1Q(vlan=8)
    yield "five tags", _ETHER / Dot1Q() / Dot1Q() / Dot1Q() / Dot1Q() / Dot1Q()
    yield "pppoe", _ETHER / PPPoE(sessionid=1) / PPP()
    yield "vlan pppoe", _ETHER / Dot1Q(vlan=7) / PPPoE(sessionid=1) / PPP()
    for labels in (1, 2, 7, 8, 9, 10):
        stack: Packet = Ether(**_MACS, type=0x8847)
        for left in reversed(range(labels)):
            stack /= MPLS(label=100 + left, s=int(left == 0))
        yield f"mpls {labels}", stack
    yield "multicast mpls", Ether(**_MACS, type=0x8848) / MPLS(label=5, s=1)
    yield "vlan mpls", _ETHER / Dot1Q(vlan=3, type=0x8847) / MPLS(label=5, s=1)
    yield "pppoe mpls", _ETHER / PPPoE(sessionid=1) / PPP(proto=0x0281) / MPLS(label=5, s=1)


def _carried() -> Iterator[tuple[str, Packet]]:
    yield "ipv4 tcp", IP(**_V4) / TCP(sport=40000, dport=443, flags="PA") / _DATA
    yield "ipv6 udp", IPv6(**_V6) / UDP(sport=40000, dport=53) / _DATA


def _ip_packets() -> Iterator[tuple[str, Packet]]:
    for version in (4, 6):
        for name, number, payload in _payloads():
            yield f"ipv{version} {name}", _ip(version, number) / payload
    yield from _ipv4_headers()
    yield from _ipv6_headers()


def _ip(version: int, number: int) -> Packet:
    return IP(**_V4, proto=number) if version == 4 else IPv6(**_V6, nh=number)


def _payloads() -> Iterator[tuple[str, int, Packet]]:
    """Yield transports and tunnels with their protocol number."""
    options = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (1, 0)), ("NOP", None), ("WScale", 7)]
    yield "tcp syn", 6, TCP(sport=40000, dport=80, flags="SEC", options=options)
    yield "tcp all flags", 6, TCP(sport=80, dport=40000, flags=0xFF, urgptr=1) / _DATA
    yield "tcp nonce", 6, TCP(sport=80, dport=40000, flags=0x1FF)
    yield "tcp no flags", 6, TCP(sport=80, dport=40000, flags=0)
    yield "tcp most options", 6, TCP(sport=80, dport=40000, flags="A", options=[("NOP", None)] * 40)
    yield "udp", 17, UDP(sport=5000, dport=53) / _DATA
    yield "udp zero ports", 17, UDP(sport=0, dport=0)
    yield "sctp init", 132, SCTP(sport=5000, dport=3868) / SCTPChunkInit(init_tag=1)
    yield "sctp data", 132, SCTP(sport=5000, dport=3868) / SCTPChunkData(data=b"payload")
    yield "dccp", 33, _DCCP_REQUEST
    yield "udp-lite", 136, _UDPLITE
    yield "icmp", 1, ICMP(type=8, id=7, seq=1) / _DATA
    yield "icmp error", 1, ICMP(type=3, code=3) / IP(**_V4) / UDP(sport=1, dport=2)
    yield "icmpv6 echo", 58, ICMPv6EchoRequest(id=7, seq=1, cksum=0)
    yield "icmpv6 neighbour", 58, ICMPv6ND_NS(tgt="2001:db8::9", cksum=0)
    yield "gre", 47, GRE(proto=0x0800) / IP(**_V4) / TCP(sport=1, dport=2)
    yield "ipip", 4, IP(**_V4) / UDP(sport=1, dport=2)
    yield "ipv6 inside", 41, IPv6(**_V6) / TCP(sport=1, dport=2)
    inner = Ether(**_MACS) / IP(**_V4) / TCP(sport=1, dport=2)
    yield "vxlan", 17, UDP(sport=50000, dport=4789) / VXLAN(vni=42) / inner
    yield "esp", 50, ESP(spi=1, seq=1, data=b"\x55" * 24)
    yield "ah", 51, _ah(6) / TCP(sport=1, dport=2)
    yield "ospf", 89, OSPF_Hdr(src="10.0.0.1") / OSPF_Hello(router="10.0.0.1")
    yield "experiment", 253, _DATA
    yield "no next header", 59, Raw(b"")


def _ah(next_header: int) -> Packet:
    """Return an authentication header of 24 bytes; its length field is 24 / 4 - 2."""
    return AH(nh=next_header, payloadlen=4, spi=1, seq=1, icv=b"\xaa" * 12)


def _ipv4_headers() -> Iterator[tuple[str, Packet]]:
    """Yield IPv4 headers with options, odd lengths and fragment fields."""
    for words in range(1, 11):
        options = [IPOption(b"\x01" * 4)] * words
        yield f"ipv4 options {words}", IP(**_V4, options=options) / TCP(sport=1, dport=2, flags="S")
    for length in (0, 1, 19, 20, 23, 24, 28, 33, 34, 39, 41, 1500, 65535):
        yield f"ipv4 length {length}", IP(**_V4, len=length) / TCP(sport=1, dport=2, flags="S")
    udp = UDP(sport=5000, dport=53) / _DATA
    yield "ipv4 first fragment", IP(**_V4, id=7, flags="MF") / udp
    yield "ipv4 middle fragment", IP(**_V4, id=7, flags="MF", frag=3, proto=17) / _DATA
    yield "ipv4 last fragment", IP(**_V4, id=7, frag=6, proto=17) / _DATA
    yield "ipv4 farthest fragment", IP(**_V4, id=7, frag=8191, proto=6) / _DATA
    yield "ipv4 df", IP(**_V4, flags="DF") / udp
    yield "ipv4 reserved flag", IP(**_V4, flags="evil") / udp


def _ipv6_headers() -> Iterator[tuple[str, Packet]]:
    """Yield IPv6 headers with extension headers, odd lengths and fragment headers."""
    hop, destination = IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt()
    routing = IPv6ExtHdrRouting(addresses=["::1"])
    tcp, udp = TCP(sport=1, dport=2, flags="S"), UDP(sport=5000, dport=53) / _DATA
    yield "ipv6 hop-by-hop", IPv6(**_V6) / hop / tcp
    yield "ipv6 routing", IPv6(**_V6) / routing / tcp
    yield "ipv6 destination", IPv6(**_V6) / destination / udp
    # scapy does not know that AH may stand among the extension headers: its number is given.
    yield "ipv6 extension ah", IPv6(**_V6) / IPv6ExtHdrHopByHop(nh=51) / _ah(6) / tcp
    before_ah = hop / destination / IPv6ExtHdrRouting(addresses=["::1"], nh=51)
    yield "ipv6 all extensions", IPv6(**_V6) / before_ah / _ah(60) / destination / tcp
    for count in (7, 8, 9, 10):
        packet: Packet = IPv6(**_V6)
        for _ in range(count):
            packet /= IPv6ExtHdrDestOpt()
        yield f"ipv6 {count} extensions", packet / tcp
    for number in (59, 135, 139, 140, 253):
        unknown = IPv6ExtHdrHopByHop(nh=number) / _DATA
        yield f"ipv6 unknown extension {number}", IPv6(**_V6) / unknown
    for length in (0, 1, 3, 4, 13, 14, 19, 65535):
        yield f"ipv6 length {length}", IPv6(**_V6, plen=length) / tcp
    yield "ipv6 atomic fragment", IPv6(**_V6) / IPv6ExtHdrFragment(id=7) / udp
    first = IPv6ExtHdrFragment(id=7, m=1) / destination / udp
    yield "ipv6 first fragment", IPv6(**_V6) / hop / first
    yield "ipv6 later fragment", IPv6(**_V6) / IPv6ExtHdrFragment(id=7, offset=4, nh=60) / _DATA


def _non_ip() -> Iterator[tuple[str, Packet]]:
    yield "arp", _ETHER / ARP(psrc="10.0.0.1", pdst="10.0.0.2")
    yield "vlan arp", _ETHER / Dot1Q(vlan=5) / ARP(psrc="10.0.0.1", pdst="10.0.0.2")
    chassis = LLDPDUChassisID(subtype=7, id=b"here")
    port, ttl = LLDPDUPortID(subtype=7, id=b"port"), LLDPDUTimeToLive(ttl=120)
    yield "lldp", _ETHER / LLDPDU() / chassis / port / ttl / LLDPDUEndOfLLDPDU()
    yield "stp", Dot3(**_MACS) / LLC(dsap=0x42, ssap=0x42, ctrl=3) / STP()
    yield (
        "snap ipv4",
        Dot3(**_MACS) / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP() / IP(**_V4) / UDP(),
    )
    yield "pppoe lcp", _ETHER / PPPoE(sessionid=1) / PPP() / PPP_LCP(code=1)
    half = Raw(bytes.fromhex("1100 0001 0001 21"))
    yield "pppoe half a protocol", Ether(**_MACS, type=0x8864) / half
    yield "pppoe discovery", Ether(**_MACS, type=0x8863) / PPPoE(code=9) / Raw(bytes(12))
    yield (
        "mpls pseudowire",
        Ether(**_MACS, type=0x8847) / MPLS(label=5, s=1) / Raw(bytes(4)) / Ether(**_MACS),
    )
    yield "experimental type", Ether(**_MACS, type=0x88B5) / _DATA
