# SPDX-License-Identifier: MIT
"""Tunnels: interfaces whose packets leave inside of other packets, by another interface."""

from __future__ import annotations

from typing import Any

from trafficmon.host.interfaces import Interface

KINDS = frozenset(
    {
        "bareudp",
        "erspan",
        "geneve",
        "gre",
        "gretap",
        "gtp",
        "ip6erspan",
        "ip6gre",
        "ip6gretap",
        "ip6tnl",
        "ipip",
        "sit",
        "tun",
        "vti",
        "vti6",
        "vxlan",
        "wireguard",
        "xfrm",
    }
)
"""IFLA_INFO_KIND. A tun without a master is a program's, mostly a VPN's; a machine's has one."""


def is_tunnel(interface: Interface) -> bool:
    """Whether its packets may leave inside of others."""
    return interface.kind in KINDS and not (interface.kind == "tun" and interface.master)


def carrier(interface: Interface) -> int | None:
    """ifindex of the interface that a tunnel's packets leave by; None where that is not known.

    The one it is bound to; else where the route to its other end leads now. A tunnel of several
    ends, or of a program's, has neither.
    """
    if interface.lower:
        return interface.lower
    if interface.remote is None:
        return None
    return _route(interface.remote)


def _route(address: str) -> int | None:
    from pyroute2 import IPRoute, NetlinkError  # noqa: PLC0415 - slow, and few have tunnels

    with IPRoute() as route:
        try:
            found: Any = route.route("get", dst=address)
        except NetlinkError:  # no route
            return None
    return next((one.get_attr("RTA_OIF") for one in found), None)
