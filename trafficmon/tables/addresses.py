# SPDX-License-Identifier: MIT
"""Addresses of the wire as text."""

from __future__ import annotations

import socket

import numpy as np

from trafficmon.model.groups import Records

_FIRST_OF_A_LINK = 0xFE


def address_text(raw: bytes, *, ipv6: bool, zone: str | None = None) -> str:
    """Sixteen bytes of a flow's key: IPv4 in the first four, or IPv6 (RFC 5952 notation).

    ``zone``: the link that the address is of; added where the address is ambiguous without it
    (RFC 4007, 11).
    """
    if not ipv6:
        return socket.inet_ntop(socket.AF_INET, raw[:4])
    text = socket.inet_ntop(socket.AF_INET6, raw)
    if zone and raw[0] >= _FIRST_OF_A_LINK and needs_zone(np.frombuffer(raw, np.uint8)[None])[0]:
        return f"{text}%{zone}"
    return text


def without_zone(address: str) -> str:
    """The address alone."""
    return address.partition("%")[0]


def needs_zone(ipv6: Records) -> Records:
    """Of IPv6 addresses, sixteen bytes each: those that another host may have on another link.

    fe80::/10, and multicast of the interface's or link's scope (RFC 4291, 2.5.6 and 2.7).
    """
    first, second = ipv6[:, 0], ipv6[:, 1]
    scope = second & 0x0F
    is_multicast = (first == 0xFF) & ((scope == 1) | (scope == 2))
    needed: Records = ((first == 0xFE) & (second & 0xC0 == 0x80)) | is_multicast
    return needed
