# SPDX-License-Identifier: MIT
"""The filters on an interface's clsact qdisc, listed over rtnetlink (rtnetlink(7)).

By hand, because each reading lists them: pyroute2 takes a tenth of a second to import, and as long
as all of a reading to decode one. Listing takes no privilege.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from trafficmon.libbpf.clsact import TcAttachPoint

# include/uapi/linux/rtnetlink.h, pkt_sched.h, pkt_cls.h
_RTM_NEWTFILTER, _RTM_GETTFILTER = 44, 46
_NLM_F_REQUEST, _NLM_F_DUMP = 1, 0x300
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_PARENTS = {TcAttachPoint.INGRESS: 0xFFFFFFF2, TcAttachPoint.EGRESS: 0xFFFFFFF3}
_TCA_KIND, _TCA_OPTIONS, _TCA_CHAIN = 1, 2, 11
_TCA_BPF_ID = 11
_NLA_TYPE_MASK = 0x3FFF
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
_TCMSG = struct.Struct("=BxxxiIII")  # struct tcmsg
_ATTRIBUTE = struct.Struct("=HH")  # struct nlattr
_REPLY_BYTES = 1 << 16


@dataclass(frozen=True)
class ListedFilter:
    """A filter of chain 0; ``program_id`` 0: it runs no BPF program."""

    priority: int
    handle: int
    program_id: int


class FilterList:
    """Requests over one socket; close() or the ``with`` block closes it."""

    def __init__(self) -> None:
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
        self._socket = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()

    def of(self, ifindex: int, point: TcAttachPoint) -> list[ListedFilter]:
        """In the order in which they run; none where the qdisc or interface does not exist."""
        size = _HEADER.size + _TCMSG.size
        head = _HEADER.pack(size, _RTM_GETTFILTER, _NLM_F_REQUEST | _NLM_F_DUMP, 1, 0)
        self._socket.send(head + _TCMSG.pack(socket.AF_UNSPEC, ifindex, 0, _PARENTS[point], 0))
        return [found for body in self._replies() if (found := _filter(body)) is not None]

    def _replies(self) -> Iterator[bytes]:
        while True:
            data = self._socket.recv(_REPLY_BYTES)
            while len(data) >= _HEADER.size:
                length, kind, _, _, _ = _HEADER.unpack_from(data)
                if kind == _NLMSG_DONE:
                    return
                if kind == _NLMSG_ERROR:
                    number = -struct.unpack_from("=i", data, _HEADER.size)[0]
                    raise OSError(number, f"cannot list tc filters: {os.strerror(number)}")
                if kind == _RTM_NEWTFILTER:
                    yield data[_HEADER.size : length]
                data = data[(length + 3) & ~3 :]


def _filter(body: bytes) -> ListedFilter | None:
    """None: of another chain, or the head of a priority."""
    _, _, handle, _, info = _TCMSG.unpack_from(body)
    parts = dict(_attributes(body[_TCMSG.size :]))
    if not handle or any(parts.get(_TCA_CHAIN, b"")):
        return None
    program_id = 0
    if parts.get(_TCA_KIND) == b"bpf\0":
        inside = dict(_attributes(parts.get(_TCA_OPTIONS, b"")))
        program_id = int.from_bytes(inside.get(_TCA_BPF_ID, b""), sys.byteorder)
    return ListedFilter(info >> 16, handle, program_id)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if length < _ATTRIBUTE.size:
            return
        yield kind & _NLA_TYPE_MASK, data[_ATTRIBUTE.size : length]
        data = data[(length + 3) & ~3 :]
