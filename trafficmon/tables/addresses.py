# SPDX-License-Identifier: MIT
"""Addresses of the wire as text."""

from __future__ import annotations

import socket


def address_text(raw: bytes, *, ipv6: bool) -> str:
    """Sixteen bytes of a flow's key: IPv4 in the first four, or IPv6 (RFC 5952 notation)."""
    if ipv6:
        return socket.inet_ntop(socket.AF_INET6, raw)
    return socket.inet_ntop(socket.AF_INET, raw[:4])
