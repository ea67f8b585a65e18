# SPDX-License-Identifier: MIT
"""Who: what owners' rows hold, and what their open sockets have counted since."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from trafficmon.layout import KERNEL_STARTED_NS, OWNER, SOCKET_COUNTS, Role, SocketKind
from trafficmon.model.groups import Records
from trafficmon.model.sockets import (
    AF_PACKET,
    IPPROTO_MPTCP,
    IPPROTO_TCP,
    SOCK_RAW,
    TCP_CLOSE,
    TCP_LISTEN,
)

COUNTS = tuple(SOCKET_COUNTS.names or ())


class Owners(NamedTuple):
    """``ids`` ascending, and their ``records`` (OWNER), open sockets included.

    ``entries``: those in the kernel's table.
    """

    ids: Records
    records: Records
    entries: int = 0

    def rows_of(self, ids: Records) -> Records:
        """The row of each id; -1 where there is none."""
        if not len(self.ids):
            return np.full(len(ids), -1, np.int64)
        place = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.where(self.ids[place] == ids, place, -1)


def without_kernel(ids: Records, records: Records) -> tuple[Records, Records]:
    """Where another than the root cgroup is watched, raw sockets of the root's are not surely its.

    See bpf/owner/kernel.bpf.h.
    """
    keep = records["started_ns"] != KERNEL_STARTED_NS
    return ids[keep], records[keep]


def is_known(records: Records) -> Records:
    """Of which owners it is known who they are: a process, or the kernel."""
    known: Records = (records["pid"] != 0) | (records["started_ns"] == KERNEL_STARTED_NS)
    return known


def with_open_sockets(ids: Records, records: Records, rows: Records) -> Owners:
    """``records`` of ``ids`` with what sockets have counted and not handed over yet.

    ``rows`` are to be read after the table: what a socket hands over in between is missing then,
    until the next reading; the other way round it would count twice.
    """
    sockets = rows["socket"]
    order = np.argsort(ids)
    lone = np.setdiff1d(sockets["owner_id"], ids)  # the table was full, or is being filled
    every = np.concatenate([ids[order], lone])
    known = np.concatenate([records[order], np.zeros(len(lone), OWNER)])
    order = np.argsort(every)
    owners = Owners(every[order], known[order], len(ids))
    place = owners.rows_of(sockets["owner_id"])
    for name in COUNTS:
        np.add.at(owners.records[name], place, not_handed_over(rows, name))
    open_now = is_connection(rows) & (sockets["released"] == 0)
    np.add.at(owners.records["connections"], place, open_now.astype(np.uint64))
    return owners


def is_connection(rows: Records) -> Any:
    """Of SOCKET_ROW: sockets that have carried a packet or are connected, as users see them.

    One that was accepted just now may have had no packet yet: the handshake was its listener's. An
    MPTCP socket is one connection, its subflows are none. See tm_sock_release() in the kernel.
    """
    sockets, state = rows["socket"], rows["tcp_state"]
    is_stream = (rows["protocol"] == IPPROTO_TCP) | (rows["protocol"] == IPPROTO_MPTCP)
    is_connected = is_stream & (state != TCP_LISTEN) & (state != TCP_CLOSE)
    is_connected &= (rows["family"] != AF_PACKET) & (rows["type"] != SOCK_RAW)
    is_users = sockets["kind"] == SocketKind.USER
    return is_users & ((sockets["has_traffic"] != 0) | is_connected)


def not_handed_over(rows: Records, name: str) -> Any:
    """Of each socket what its owner's row does not have yet."""
    sockets = rows["socket"]
    more = _rest(sockets["own"][name], sockets["settled"][name])
    # what a listener counted its children have a copy of: it is not theirs
    is_listener = (rows["tcp_state"] == TCP_LISTEN) & (sockets["role"] == Role.UNKNOWN)
    listened = _rest(sockets["listening"][name], sockets["listening_settled"][name])
    return more + np.where(is_listener & (sockets["has_traffic"] == 0), listened, np.uint64(0))


def _rest(counted: Records, moved: Records) -> Records:
    """Counted less moved; 0 where it was moved while it was read."""
    return np.where(counted > moved, counted - moved, np.uint64(0))
