# SPDX-License-Identifier: MIT
"""MPTCP: the socket that processes use, and the TCP sockets of the kernel's that carry its packets.

The first knows the application's bytes, its subflows know packets and round trips. A connection is
all of them: one row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trafficmon.layout import Role, SocketKind
from trafficmon.model.flows import COUNTS
from trafficmon.model.groups import Records
from trafficmon.model.sockets import IPPROTO_MPTCP, TCP_LISTEN


def is_mptcp(rows: Records) -> Any:
    """Of SOCKET_ROW: MPTCP sockets, and subflows that stand for themselves."""
    return (rows["protocol"] == IPPROTO_MPTCP) | is_subflow(rows)


def is_subflow(rows: Records) -> Any:
    """Of SOCKET_ROW: TCP sockets that belong to an MPTCP socket."""
    return rows["socket"]["kind"] == SocketKind.SUBFLOW


def whole_connections(rows: Records) -> Records:
    """``rows`` (SOCKET_ROW) with what subflows counted added to their MPTCP sockets' rows.

    A subflow stays a row if its MPTCP socket is not among ``rows``: no process has that any more,
    or it is outside of what is watched.
    """
    places = np.flatnonzero(rows["protocol"] == IPPROTO_MPTCP)
    if not len(places):
        return rows
    summed = rows.copy()
    by_token = {int(rows["mptcp_token"][p]): int(p) for p in places if rows["mptcp_token"][p]}
    by_addresses = {_addresses(rows[p]): int(p) for p in places}
    keep = np.ones(len(rows), bool)
    best: dict[int, int] = {}
    for subflow in np.flatnonzero(is_subflow(rows)).tolist():
        one = rows[subflow]
        # one that fell back to plain TCP has no token any more; the first subflow, and a
        # listener's, have the addresses of their MPTCP socket
        owner = by_token.get(int(one["mptcp_token"]), by_addresses.get(_addresses(one)))
        if owner is not None:
            keep[subflow] = False
            _add(summed, owner, one, best)
    whole: Records = summed[keep]
    return whole


def _addresses(row: Any) -> bytes:
    names = ("local_addr", "remote_addr", "local_port_be", "remote_port_be", "netns_inode")
    is_listener = int(row["tcp_state"]) == TCP_LISTEN
    return b"".join(row[name].tobytes() for name in names) + bytes([is_listener])


def _add(summed: Records, owner: int, subflow: Any, best: dict[int, int]) -> None:
    """Round trips are those of the subflow that carries most."""
    for counts in ("own", "listening"):
        for name in COUNTS:
            summed["socket"][counts][name][owner] += subflow["socket"][counts][name]
    summed["retransmits"][owner] += subflow["retransmits"]
    if summed["socket"]["role"][owner] == Role.UNKNOWN:
        summed["socket"]["role"][owner] = subflow["socket"]["role"]
    carried = sum(int(subflow["socket"]["own"][name]) for name in COUNTS)
    if carried >= best.get(owner, 0):
        best[owner] = carried
        summed["srtt_us"][owner], summed["min_rtt_us"][owner] = (
            subflow["srtt_us"],
            subflow["min_rtt_us"],
        )
