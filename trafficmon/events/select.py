# SPDX-License-Identifier: MIT
"""Which events match an expression, or belong to a row of a table."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from trafficmon.events.event import DnsEvent, DropEvent, Event
from trafficmon.filter.columns import FilterColumns
from trafficmon.filter.evaluate import matches
from trafficmon.filter.nodes import Expression
from trafficmon.protocols import protocol_name
from trafficmon.tables.addresses import without_zone
from trafficmon.tables.table import Array, Record, object_column

E = TypeVar("E", bound=Event)

_ADDRESS_BYTES = 16
_NO_ADDRESS = bytes(_ADDRESS_BYTES)
_NO_PROTOCOL = -1


def matching(events: Sequence[E], expression: Expression | None, table: str = "events") -> list[E]:
    """FilterError, with the name ``table``, for a term that events have no field for."""
    if expression is None or not events:
        return list(events)
    chosen = np.flatnonzero(matches(expression, event_columns(events, table)))
    return [events[place] for place in chosen.tolist()]


def event_columns(events: Sequence[Event], table: str = "events") -> FilterColumns:
    """Events as expressions see them; one without a direction is of both."""
    ends = [one.endpoints for one in events]
    has_address = np.array([one is not None for one in ends], bool)
    return FilterColumns(
        table=table,
        length=len(events),
        local_addr=_addresses([one.local_addr if one else _NO_ADDRESS for one in ends]),
        remote_addr=_addresses([one.remote_addr if one else _NO_ADDRESS for one in ends]),
        has_local_addr=has_address,
        has_remote_addr=has_address,
        is_ipv6=np.array([one is not None and one.is_ipv6 for one in ends], bool),
        local_port=_numbers([one.local_port if one else None for one in ends]),
        remote_port=_numbers([one.remote_port if one else None for one in ends]),
        protocol=np.array([one.protocol if one else _NO_PROTOCOL for one in ends], np.int64),
        rx_packets=np.array([one.is_rx is not False for one in events], np.int64),
        tx_packets=np.array([not one.is_rx for one in events], np.int64),
        uid=_numbers([one.owner.uid for one in events]),
        pid=_numbers([one.owner.pid for one in events]),
        interface=object_column([one.interface for one in events]),
        user=object_column([one.owner.user for one in events]),
        comm=object_column([one.owner.comm for one in events]),
        cgroup=object_column([one.owner.cgroup for one in events]),
    )


def belonging(events: Sequence[E], table: str, row: Record) -> list[E]:
    """Those about ``row``, a record of ``table``."""
    make = _BELONGS.get(table)
    if make is None:
        return []
    belongs = make(row)
    return [one for one in events if belongs(one)]


def is_below(path: str | None, parent: str) -> bool:
    """Whether the cgroup ``path`` is ``parent``, or somewhere in it."""
    return path is not None and (path == parent or path.startswith(parent.rstrip("/") + "/"))


Belongs = Callable[[Event], bool]


def _to_flow(row: Record) -> Belongs:
    addresses = _packed(row["local_addr"]), _packed(row["remote_addr"])
    ports = row["local_port"], row["remote_port"]

    def belongs(event: Event) -> bool:
        ends = event.endpoints
        return (
            ends is not None
            and not isinstance(event, DropEvent)  # its local end is the source
            and (ends.local_port, ends.remote_port) == ports
            and (ends.local_addr, ends.remote_addr) == addresses
            and protocol_name(ends.protocol) == row["protocol"]
        )

    return belongs


def _to_host(row: Record) -> Belongs:
    address, is_ipv6 = _packed(row["remote_addr"]), ":" in (row["remote_addr"] or "")

    def belongs(event: Event) -> bool:
        ends = event.endpoints
        return (
            ends is not None
            and not isinstance(event, DropEvent)
            and (ends.remote_addr, ends.is_ipv6) == (address, is_ipv6)
        )

    return belongs


_BELONGS: dict[str, Callable[[Record], Belongs]] = {
    "flows": _to_flow,
    "connections": _to_flow,
    "hosts": _to_host,
    "processes": lambda row: (
        lambda event: (event.owner.pid, event.owner.comm) == (row["pid"], row["comm"])
    ),
    "users": lambda row: lambda event: event.owner.uid == row["uid"],
    "cgroups": lambda row: lambda event: is_below(event.owner.cgroup, row["path"]),
    "interfaces": lambda row: lambda event: event.interface == row["interface"],
    "dns": lambda row: (
        lambda event: isinstance(event, DnsEvent) and event.message.name == row["name"]
    ),
}


def _packed(address: str | None) -> bytes | None:
    """As events have it; without the zone, which they do not have. None of sockets without one."""
    if address is None:
        return None
    return ipaddress.ip_address(without_zone(address)).packed.ljust(_ADDRESS_BYTES, b"\0")


def _addresses(raw: list[bytes]) -> Array:
    return np.frombuffer(b"".join(raw), np.uint8).reshape(-1, _ADDRESS_BYTES)


def _numbers(values: list[Any]) -> Array:
    return np.array([-1 if value is None else value for value in values], np.int64)
