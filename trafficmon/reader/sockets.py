# SPDX-License-Identifier: MIT
"""All sockets of the watched cgroup, as the pinned iterators list them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trafficmon.errors import MissingPrivilegeError
from trafficmon.hook_registry import SOCKET_ITERATORS
from trafficmon.layout import SOCKET_ROW
from trafficmon.libbpf.link import read_pinned_iterator
from trafficmon.model.groups import Records
from trafficmon.model.sockets import AF_INET, AF_INET6
from trafficmon.pins import PinDirectory

_MAPPED = np.frombuffer(bytes(10) + b"\xff\xff", np.uint8)  # ::ffff:0:0/96, RFC 4291 2.5.5.2


def read_sockets(pins: PinDirectory) -> Records | None:
    """SOCKET_ROW, one a socket; None where the cgroup layer is not attached."""
    parts = [_read(pins.host_link(kind)) for kind in SOCKET_ITERATORS]
    if parts[0] is None:
        return None
    found = np.concatenate([part for part in parts if part is not None])
    more_than_one = any(part is not None for part in parts[1:])
    return as_on_the_wire(_unique_by_cookie(found) if more_than_one else found)


def _read(link: Path) -> Records | None:
    """What the iterator pinned at ``link`` writes; None where there is none."""
    try:
        raw = read_pinned_iterator(str(link))
    except FileNotFoundError:
        return None
    except PermissionError:
        raise MissingPrivilegeError(
            "no permission to list sockets; run as root, or ask root to "
            "'trafficmon attach --group NAME' with a group of yours"
        ) from None
    return np.frombuffer(bytearray(raw), SOCKET_ROW, len(raw) // SOCKET_ROW.itemsize)


def _unique_by_cookie(rows: Records) -> Records:
    """Of several rows with one cookie the first: one socket found by several files or ways."""
    _, first = np.unique(rows["cookie"], return_index=True)
    return rows[np.sort(first)]


def as_on_the_wire(rows: Records) -> Records:
    """``rows`` with IPv4 addresses as IPv4, where an IPv6 socket uses them."""
    is_mapped = np.zeros(len(rows), bool)
    for name in ("local_addr", "remote_addr"):
        is_mapped |= (rows[name][:, :12] == _MAPPED).all(axis=1)
    is_mapped &= rows["family"] == AF_INET6
    for name in ("local_addr", "remote_addr"):
        rows[name][is_mapped, :4] = rows[name][is_mapped, 12:]
        rows[name][is_mapped, 4:] = 0
    rows["family"][is_mapped] = AF_INET
    return rows
