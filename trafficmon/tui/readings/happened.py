# SPDX-License-Identifier: MIT
"""Which of the feed's events match an expression, or belong to a row of a table."""

from __future__ import annotations

import ipaddress
from typing import Any

import numpy as np

from trafficmon.filter.columns import FilterColumns
from trafficmon.filter.evaluate import matches
from trafficmon.filter.nodes import Expression
from trafficmon.protocols import protocol_number
from trafficmon.tables.addresses import without_zone
from trafficmon.tables.table import Array, Record

_ENDS = ("local_addr", "local_port", "remote_addr", "remote_port")
_DROPPED = ("src_addr", "src_port", "dst_addr", "dst_port")
_ADDRESS_BYTES, _NO_PROTOCOL = 16, 255  # 255 is reserved (IANA): nothing has it
_OF_ROWS = {
    "flows": ("protocol", *_ENDS),
    "connections": ("protocol", *_ENDS),
    "processes": ("pid", "comm"),
    "users": ("uid",),
    "hosts": ("remote_addr",),
    "interfaces": ("interface",),
    "dns": ("name",),
}


def matching(events: list[Record], expression: Expression | None) -> list[Record]:
    """FilterError when the expression asks for what events do not tell."""
    if expression is None or not events:
        return events
    chosen = np.flatnonzero(matches(expression, event_columns(events)))
    return [events[place] for place in chosen]


def belonging(events: list[Record], table: str, record: Record) -> list[Record]:
    """Those that are about the row of ``table`` that ``record`` tells."""
    if table == "cgroups":
        return [one for one in events if is_below(one.get("cgroup"), record["path"])]
    names = _OF_ROWS.get(table)
    if names is None:
        return []
    told = {name: _alone(name, record.get(name)) for name in names}
    return [one for one in events if all(one.get(name) == value for name, value in told.items())]


def _alone(name: str, value: Any) -> Any:
    """Addresses without the link that they are of, which events tell apart."""
    return without_zone(value) if name.endswith("_addr") and value else value


def is_below(path: str | None, parent: str) -> bool:
    """Whether the cgroup ``path`` is ``parent``, or somewhere in it."""
    return path is not None and (path == parent or path.startswith(parent.rstrip("/") + "/"))


def event_columns(events: list[Record]) -> FilterColumns:
    """Of a dropped packet the source is the local end, for want of something better."""
    ends = [_DROPPED if "src_addr" in one else _ENDS for one in events]
    local, remote = (
        [one.get(names[place]) for one, names in zip(events, ends, strict=True)] for place in (0, 2)
    )
    return FilterColumns(
        table="events",
        length=len(events),
        local_addr=_packed(local),
        remote_addr=_packed(remote),
        has_local_addr=np.array([address is not None for address in local], bool),
        has_remote_addr=np.array([address is not None for address in remote], bool),
        is_ipv6=np.array([":" in (a or b or "") for a, b in zip(local, remote, strict=True)], bool),
        local_port=_numbers([one.get(names[1]) for one, names in zip(events, ends, strict=True)]),
        remote_port=_numbers([one.get(names[3]) for one, names in zip(events, ends, strict=True)]),
        protocol=np.array([_protocol(one.get("protocol")) for one in events], np.uint8),
        rx_packets=np.array([one.get("direction") != "out" for one in events], np.int64),
        tx_packets=np.array([one.get("direction") != "in" for one in events], np.int64),
        uid=_numbers([one.get("uid") for one in events]),
        pid=_numbers([one.get("pid") for one in events]),
        interface=_texts(events, "interface"),
        user=_texts(events, "user"),
        comm=_texts(events, "comm"),
        cgroup=_texts(events, "cgroup"),
    )


def _packed(addresses: list[str | None]) -> Array:
    raw = [
        b"" if address is None else ipaddress.ip_address(address).packed for address in addresses
    ]
    joined = b"".join(one.ljust(_ADDRESS_BYTES, b"\0") for one in raw)
    return np.frombuffer(joined, np.uint8).reshape(-1, _ADDRESS_BYTES)


def _numbers(values: list[Any]) -> Array:
    return np.array([-1 if value is None else value for value in values], np.int64)


def _texts(events: list[Record], name: str) -> Array:
    column = np.empty(len(events), object)
    column[:] = [one.get(name) for one in events]
    return column


def _protocol(name: Any) -> int:
    return _NO_PROTOCOL if name is None else protocol_number(name)
