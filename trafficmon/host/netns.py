# SPDX-License-Identifier: MIT
"""The network namespace that this process lives in, and the interfaces it shows."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from trafficmon.libbpf import system

_SO_NETNS_COOKIE = 71  # include/uapi/asm-generic/socket.h; Linux 5.14 (e8b9eab99232)
_RTF_REJECT = 0x200  # include/uapi/linux/route.h


def inode() -> int:
    """What distinguishes this network namespace from all others that exist now.

    The number of a deleted one is given to the next (proc_alloc_inum() in fs/proc/generic.c).
    """
    return Path("/proc/self/ns/net").stat().st_ino


def cookie() -> int:
    """What no other network namespace has until the next boot; 0 where the kernel has none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as any_socket:
        try:
            cookie = any_socket.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8)
        except OSError as error:
            if error.errno != errno.ENOPROTOOPT:
                raise
            return 0
    return int.from_bytes(cookie, sys.byteorder)


def is_this(expected: int, expected_cookie: int) -> bool:
    """Whether this network namespace is the one with that inode and, unless 0, that cookie."""
    return inode() == expected and expected_cookie in (0, cookie())


def path_of(expected: int, expected_cookie: int) -> Path | None:
    """A path to the network namespace with that inode and, unless 0, that cookie, for nsenter(1).

    Of a mount (`ip netns`, containers), else of a process; None if there is none. One that only a
    file descriptor keeps alive is not found.
    """
    for place in _places_of(expected):
        with suppress(OSError):  # gone meanwhile
            if not expected_cookie or expected_cookie == _cookie_of(place):
                return place
    return None


def _places_of(expected: int) -> Iterator[Path]:
    for line in _lines("/proc/self/mountinfo"):
        cells = line.split(" ")
        if cells[3] == f"net:[{expected}]":
            yield Path(cells[4])
    for place in Path("/proc").glob("[0-9]*/ns/net"):
        with suppress(OSError):  # the process has ended
            if place.stat().st_ino == expected:
                yield place


def _cookie_of(place: Path) -> int:
    """Only a socket of that namespace has it: so of a thread that enters it, and ends there."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - for one error's sake

    def enter_and_read() -> int:
        fd = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
        try:
            system.enter_network_namespace(fd)
        finally:
            os.close(fd)
        return cookie()

    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(enter_and_read).result()


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
    """Not of `unreachable default` and its like: they are listed with interface "*" or lo."""
    return not int(flags, 16) & _RTF_REJECT and interface != "lo"


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return []
