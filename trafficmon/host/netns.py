# SPDX-License-Identifier: MIT
"""The network namespace that this process lives in, and the interfaces it shows."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path

_RTF_REJECT = 0x200  # include/uapi/linux/route.h


def inode() -> int:
    """What tells this network namespace from others until the next boot."""
    return Path("/proc/self/ns/net").stat().st_ino


def path_of(wanted: int) -> Path | None:
    """A path to the network namespace with that inode, for nsenter(1); None if there is none.

    Of a mount (`ip netns`, containers), else of a process. One that only a file descriptor keeps
    alive is not found.
    """
    for line in _lines("/proc/self/mountinfo"):
        cells = line.split(" ")
        if cells[3] == f"net:[{wanted}]":
            return Path(cells[4])
    for place in Path("/proc").glob("[0-9]*/ns/net"):
        with suppress(OSError):  # the process has ended
            if place.stat().st_ino == wanted:
                return place
    return None


def ifindex_of(name: str) -> int | None:
    """The number of the interface called ``name``, or None."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return None


def name_of(ifindex: int) -> str | None:
    """The name of interface number ``ifindex``, or None."""
    try:
        return socket.if_indextoname(ifindex)
    except OSError:
        return None


def names() -> list[str]:
    """All interfaces."""
    return [name for _, name in socket.if_nameindex()]


def default_route_interface() -> str | None:
    """The interface of the default route with the lowest metric; IPv4 before IPv6 (proc(5))."""
    routes = []
    for line in _lines("/proc/net/route")[1:]:
        cells = line.split()
        if cells[1] == cells[7] == "00000000" and _leads_out(cells[3], cells[0]):
            routes.append((0, int(cells[6]), cells[0]))
    for line in _lines("/proc/net/ipv6_route"):
        cells = line.split()
        if cells[0] == "0" * 32 and cells[1] == "00" and _leads_out(cells[8], cells[9]):
            routes.append((1, int(cells[5], 16), cells[9]))
    return min(routes)[2] if routes else None


def _leads_out(flags: str, interface: str) -> bool:
    """Not of `unreachable default` and its like: they are told with interface "*" or lo."""
    return not int(flags, 16) & _RTF_REJECT and interface != "lo"


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return []
