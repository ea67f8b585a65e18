# SPDX-License-Identifier: MIT
"""All sockets of the watched cgroup, as the pinned iterator tells them."""

from __future__ import annotations

import numpy as np

from trafficmon.errors import MissingPrivilegeError
from trafficmon.layout import SOCKET_ROW
from trafficmon.libbpf.link import read_pinned_iterator
from trafficmon.pins import PinDirectory
from trafficmon.reader.merge import Records

AF_INET, AF_INET6, AF_PACKET = 2, 10, 17
_MAPPED = np.frombuffer(bytes(10) + b"\xff\xff", np.uint8)  # ::ffff:0:0/96, RFC 4291 2.5.5.2


def read_sockets(pins: PinDirectory) -> Records | None:
    """SOCKET_ROW, one a socket; None where the cgroup layer is not attached."""
    try:
        raw = read_pinned_iterator(str(pins.host_link("sockets")))
    except FileNotFoundError:
        return None
    except PermissionError:
        raise MissingPrivilegeError(
            "no permission to list sockets; run as root, or ask root to "
            "'trafficmon attach --group NAME' with a group of yours"
        ) from None
    rows = np.frombuffer(bytearray(raw), SOCKET_ROW, len(raw) // SOCKET_ROW.itemsize)
    return as_on_the_wire(rows)


def as_on_the_wire(rows: Records) -> Records:
    """``rows`` with IPv4 told as IPv4, where an IPv6 socket speaks it."""
    is_mapped = np.zeros(len(rows), bool)
    for name in ("local_addr", "remote_addr"):
        is_mapped |= (rows[name][:, :12] == _MAPPED).all(axis=1)
    is_mapped &= rows["family"] == AF_INET6
    for name in ("local_addr", "remote_addr"):
        rows[name][is_mapped, :4] = rows[name][is_mapped, 12:]
        rows[name][is_mapped, 4:] = 0
    rows["family"][is_mapped] = AF_INET
    return rows
