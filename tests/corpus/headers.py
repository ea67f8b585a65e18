# SPDX-License-Identifier: MIT
"""Header layouts of the reference parser: dpkt's own field definitions, one header at a time.

dpkt's classes decode all that follows a header as well, merge VLAN tags, guess after MPLS labels
and refuse headers that the monitor accepts. So each class here keeps a dpkt class's fields and
nothing else: `Layout(data)` reads the fixed header, `.data` is what follows it, and too few bytes
raise `dpkt.NeedData`.
"""

from typing import Any

import dpkt

_make: Any = type(dpkt.Packet)
"""dpkt's metaclass, which turns field definitions into a class."""


def _header_only(layer: type[Any]) -> type[Any]:
    """Return `layer` with its fields, but without its decoding of options and of the next layer."""
    plain = {"__init__": dpkt.Packet.__init__, "unpack": dpkt.Packet.unpack}
    layout: type[Any] = _make(f"{layer.__name__}Header", (layer,), plain)
    return layout


def _leading_fields(layer: type[Any], count: int) -> type[Any]:
    """Return a layout of the first `count` fields of `layer`."""
    fields = layer.__hdr__[:count]
    names = {name for name, _, _ in fields}
    bits = getattr(layer, "__bit_fields__", {})
    body = {"__hdr__": fields, "__bit_fields__": {k: v for k, v in bits.items() if k in names}}
    layout: type[Any] = _make(f"{layer.__name__}Start", (dpkt.Packet,), body)
    return layout


Ethernet = _header_only(dpkt.ethernet.Ethernet)
VlanTag = _header_only(dpkt.ethernet.VLANtag8021Q)
MplsLabel = _header_only(dpkt.ethernet.MPLSlabel)
PppoeSession = _header_only(dpkt.pppoe.PPPoE)
Ipv4 = _header_only(dpkt.ip.IP)
Ipv6 = _header_only(dpkt.ip6.IP6)
# Options, routing and authentication headers all begin with the next header and a length.
Ipv6Extension = _header_only(dpkt.ip6.IP6OptsHeader)
Ipv6Fragment = _header_only(dpkt.ip6.IP6FragmentHeader)
# TCP, SCTP and DCCP begin with the same two ports as UDP.
Ports = _leading_fields(dpkt.udp.UDP, 2)
# The 14 bytes up to and with the flags.
TcpFlags = _leading_fields(dpkt.tcp.TCP, 5)
