# SPDX-License-Identifier: MIT
"""The link layers of the reference parser: from a frame to the outermost IP header after them."""

from typing import Any, NamedTuple

import dpkt

from tests.corpus import headers

ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_IPV6 = 0x86DD
ETHERTYPE_PPPOE_SESSION = 0x8864
ETHERTYPES_VLAN = (0x8100, 0x88A8)
ETHERTYPES_MPLS = (0x8847, 0x8848)
PPP_IPV4 = 0x0021
PPP_IPV6 = 0x0057
PPP_MPLS_UNICAST = 0x0281
MAX_VLAN_TAGS = 4
MAX_MPLS_LABELS = 8


class Link(NamedTuple):
    """What the link layers of one frame say."""

    ethertype: int
    """The last ethertype that was read (of 802.3 frames: their length)."""
    version: int | None
    """4 or 6: the IP version that `payload` is announced as; None when it is not IP."""
    payload: bytes


def unwrap(frame: bytes) -> Link:
    """Take the Ethernet header, VLAN tags, a PPPoE session and MPLS labels off a frame.

    Raises ValueError when there is no whole Ethernet header: no interface hands over such a frame.
    """
    if len(frame) < headers.Ethernet.__hdr_len__:
        raise ValueError(f"a frame of {len(frame)} bytes has no Ethernet header; give at least 14")
    header: Any = headers.Ethernet(frame)
    for _ in range(MAX_VLAN_TAGS):
        if header.type not in ETHERTYPES_VLAN:
            break
        try:
            header = headers.VlanTag(header.data)
        except dpkt.NeedData:
            return Link(header.type, None, b"")
    ethertype: int = header.type
    try:
        version, payload = _network(ethertype, header.data)
    except dpkt.NeedData:
        version, payload = None, b""
    return Link(ethertype, version, payload)


def _network(ethertype: int, data: bytes) -> tuple[int | None, bytes]:
    """Return the IP version and the bytes from its header on; NeedData when they are not there."""
    if ethertype == ETHERTYPE_IPV4:
        return 4, data
    if ethertype == ETHERTYPE_IPV6:
        return 6, data
    if ethertype == ETHERTYPE_PPPOE_SESSION:
        return _pppoe(data)
    if ethertype in ETHERTYPES_MPLS:
        return _mpls(data)
    return None, b""


def _pppoe(data: bytes) -> tuple[int | None, bytes]:
    session: Any = headers.PppoeSession(data)
    if len(session.data) < 2:
        raise dpkt.NeedData("the PPP protocol is cut off")
    # Always two bytes: RFC 2516 (section 7) has no use for the short form that dpkt reads as well.
    protocol = int.from_bytes(session.data[:2], "big")
    payload: bytes = session.data[2:]
    if (session.v, session.type, session.code) != (1, 1, 0):
        return None, b""
    if protocol == PPP_MPLS_UNICAST:
        return _mpls(payload)
    return {PPP_IPV4: 4, PPP_IPV6: 6}.get(protocol), payload


def _mpls(data: bytes) -> tuple[int | None, bytes]:
    for _ in range(MAX_MPLS_LABELS):
        label: Any = headers.MplsLabel(data)
        data = label.data
        if label.s:
            # Labels do not say what they carry: the IP version is all there is to go by (RFC 4928).
            version = data[0] >> 4 if data else None
            return (version if version in (4, 6) else None), data
    return None, b""
