# SPDX-License-Identifier: MIT
"""The owner of a flow: the open socket of its addresses and ports, or its noted sender."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trafficmon.layout import FlowFlag
from trafficmon.model.groups import Groups, Records
from trafficmon.model.sockets import AF_INET6, AF_PACKET, SOCK_RAW

_Columns = NDArray[np.uint64]
_NONE = np.uint64(0)


class SocketIndex:
    """Sockets by the members of a flow's key.

    Those of the watched interfaces' network namespace (its cookie is 0 where the kernel has none).
    Another's (a container's) have its flows only where they are connected and no other socket has
    the same addresses and ports.
    """

    def __init__(self, rows: Records, netns_inode: int, netns_cookie: int) -> None:
        # a raw socket has its protocol's number where others have their port
        rows = rows[(rows["family"] != AF_PACKET) & (rows["type"] != SOCK_RAW)]
        is_here, is_connected = rows["netns_inode"] == netns_inode, rows["remote_port_be"] != 0
        if netns_cookie:  # the kernel gives the inode of a removed one to the next
            is_here &= rows["netns_cookie"] == netns_cookie
        self._connected = rows[is_connected & is_here]
        self._listening = rows[~is_connected & is_here & (rows["local_port_be"] != 0)]
        self._elsewhere = _without_doubles(rows[is_connected & ~is_here])
        self._by_flow = Groups(_columns(*_of_sockets(self._connected)))
        self._by_flow_elsewhere = Groups(_columns(*_of_sockets(self._elsewhere)))
        self._by_service = Groups(_columns(*_of_sockets(self._listening)))

    def find(self, keys: Records) -> Records:
        """SOCKET_ROW for each key (FLOW_KEY); all zeroes where there is no such socket.

        First the one connected so; else one that takes from everybody, at the flow's own address or
        at any.
        """
        found = np.zeros(len(keys), self._connected.dtype)
        addresses, ports, kind = _of_flows(keys)
        self._put(found, self._by_flow, self._connected, _columns(addresses, ports, kind))
        anyone = addresses.copy()
        anyone[:, 2:] = _NONE
        anywhere = np.zeros_like(addresses)
        own_port = ports & np.uint64(0xFFFF)
        for where in (anyone, anywhere):
            self._put(found, self._by_service, self._listening, _columns(where, own_port, kind))
        elsewhere = _columns(addresses, ports, kind)
        self._put(found, self._by_flow_elsewhere, self._elsewhere, elsewhere)
        return found

    @staticmethod
    def _put(found: Records, groups: Groups, sockets: Records, wanted: _Columns) -> None:
        place = groups.find(wanted)
        new = (place >= 0) & (found["protocol"] == 0)
        found[new] = sockets[groups.first[place[new]]]


def _without_doubles(rows: Records) -> Records:
    groups = Groups(_columns(*_of_sockets(rows)))
    count = np.bincount(groups.of_row, minlength=len(groups))
    single: Records = rows[groups.first[count == 1]]
    return single


def owner_ids(keys: Records, values: Records, index: SocketIndex | None) -> Records:
    """The owner of each flow (FLOW_KEY, FLOW); 0 where it is not known."""
    noted: Records = values["owner_id"]
    if index is None:
        return noted
    found = index.find(keys)
    # the sender may be another than the listener: an unconnected socket counts where none is noted
    is_connected = found["remote_port_be"] != 0
    now = found["socket"]["owner_id"]
    return np.where(is_connected & (now != 0), now, np.where(noted != 0, noted, now))


def _columns(addresses: _Columns, ports: _Columns, kind: _Columns) -> _Columns:
    return np.concatenate([addresses, ports[:, None], kind[:, None]], axis=1)


def _of_flows(keys: Records) -> tuple[_Columns, _Columns, _Columns]:
    is_ipv6 = (keys["flags"] & FlowFlag.IPV6) != 0
    return _addresses(keys), _ports(keys), _kind(keys["protocol"], is_ipv6)


def _of_sockets(rows: Records) -> tuple[_Columns, _Columns, _Columns]:
    return _addresses(rows), _ports(rows), _kind(rows["protocol"], rows["family"] == AF_INET6)


def _addresses(records: Records) -> _Columns:
    sides = [
        np.ascontiguousarray(records[f"{s}_addr"]).view(np.uint64) for s in ("local", "remote")
    ]
    return np.concatenate([side.reshape(len(records), 2) for side in sides], axis=1)


def _ports(records: Records) -> _Columns:
    remote = records["remote_port_be"].astype(np.uint64) << np.uint64(16)
    return remote | records["local_port_be"].astype(np.uint64)


def _kind(protocol: Records, is_ipv6: Records) -> _Columns:
    return protocol.astype(np.uint64) << np.uint64(1) | is_ipv6.astype(np.uint64)
