# SPDX-License-Identifier: MIT
"""Connections: the open sockets of TCP, UDP and the rest, also those older than attach."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from trafficmon.filter.columns import FilterColumns
from trafficmon.layout import Role
from trafficmon.model.flows import COUNTS
from trafficmon.model.groups import Records, hash_words
from trafficmon.model.mptcp import is_mptcp, whole_connections
from trafficmon.model.parts import Part
from trafficmon.model.sample import Sample
from trafficmon.model.sockets import (
    AF_INET,
    AF_INET6,
    AF_PACKET,
    IPPROTO_MPTCP,
    IPPROTO_TCP,
    NO_RTT_US,
    SOCK_RAW,
    TCP_LISTEN,
)
from trafficmon.protocols import socket_protocol_name
from trafficmon.records import host_order
from trafficmon.tables.addresses import address_text, without_zone
from trafficmon.tables.health import without_sockets
from trafficmon.tables.names import OwnerNames
from trafficmon.tables.owner_columns import OwnerColumns
from trafficmon.tables.table import Array, Record, Table, as_text, by_direction
from trafficmon.tables.times import time_text

FIELDS = (
    "protocol",
    "local_addr",
    "local_port",
    "remote_addr",
    "remote_port",
    "state",
    "role",
    "uid",
    "user",
    "pid",
    "comm",
    "cgroup",
    "rx_packets",
    "rx_bytes",
    "tx_packets",
    "tx_bytes",
    "app_rx_bytes",
    "app_tx_bytes",
    "rtt_us",
    "min_rtt_us",
    "retransmits",
    "opened_at",
    "duration_s",
    "remote_name",
    "mptcp",
)
# include/net/tcp_states.h, by number; names as ss(8) and /proc/net/tcp have them
STATES: tuple[str | None, ...] = (
    None,
    "established",
    "syn-sent",
    "syn-recv",
    "fin-wait-1",
    "fin-wait-2",
    "time-wait",
    "close",
    "close-wait",
    "last-ack",
    "listen",
    "closing",
    "syn-recv",
)
_WITHOUT_PORTS = (1, 58)  # ICMP, ICMPv6
_APP_BYTES = {
    "app_rx_bytes": ("tcp_read_bytes", "tcp_read_at_attach"),
    "app_tx_bytes": ("tcp_written_bytes", "tcp_written_at_attach"),
}
"""What TCP itself has counted since the connection began, and of that before attach."""
_ROLES = {int(Role.ACTIVE): "active", int(Role.PASSIVE): "passive"}


def state_name(number: int) -> str | None:
    """Of a TCP state; None for one that this version does not know."""
    return STATES[number] if number < len(STATES) else None


def connection_table(sample: Sample) -> Table:
    """One row a socket, with all subflows of an MPTCP socket in its row.

    Bytes of the application are TCP's own counters, since attach as all others; else the hooks'.
    """
    sockets = sample.sockets
    if sockets is None:
        raise without_sockets(sample, "lists sockets")
    rows = whole_connections(sockets)
    columns = _Columns(sample, rows)
    own, who = columns.own, columns.owners
    sort_keys: dict[str, Callable[[], Array]] = {
        **{name: partial(own.__getitem__, name) for name in own},
        "bytes": lambda: own["rx_bytes"] + own["tx_bytes"],
        "packets": lambda: own["rx_packets"] + own["tx_packets"],
        "rtt_us": lambda: rows["srtt_us"],
        "retransmits": lambda: rows["retransmits"],
        "local_port": lambda: columns.local_port,
        "remote_port": lambda: columns.remote_port,
        "opened_at": lambda: rows["socket"]["opened_ns"],
        "pid": lambda: who.pid,
        "comm": lambda: as_text([comm or "" for comm in who.comm]),
        "user": lambda: as_text([user or "" for user in who.user]),
        "state": lambda: as_text([state_name(int(s)) or "" for s in rows["tcp_state"]]),
    }
    return Table(
        name="connections",
        fields=FIELDS,
        length=len(rows),
        sort_keys=sort_keys,
        default_sort="bytes",
        record=columns.record,
        filter_columns=columns.with_owners,
        identity=columns.identity,
        rated=by_direction(sort_keys),
        read_at_s=sample.read_at_s.get(Part.SOCKETS),
        epoch=sample.epoch,
    )


class _Columns:
    """The sockets' arrays, and their rows as records."""

    def __init__(self, sample: Sample, rows: Records) -> None:
        self.rows = rows
        is_ip = (rows["family"] == AF_INET) | (rows["family"] == AF_INET6)
        is_raw = rows["type"] == SOCK_RAW
        self.is_ip, self.is_mptcp = is_ip, is_ip & is_mptcp(rows)
        self.is_tcp = is_ip & ((rows["protocol"] == IPPROTO_TCP) | self.is_mptcp) & ~is_raw
        self.is_listener = self.is_tcp & (rows["tcp_state"] == TCP_LISTEN)
        names = OwnerNames(sample.owners, sample.names)
        self.owners = OwnerColumns(sample.owners, rows["socket"]["owner_id"], names)
        self.has_app = sample.has_layer("app")
        self.remote_names = sample.remote_names
        self.clock = sample.clock
        self.own = self._counts()
        self.zones = _Zones(sample)
        # of others the protocol's number, or ICMP's identifier, is where the port would be
        has_ports = ~is_raw & ~np.isin(rows["protocol"], _WITHOUT_PORTS)
        self.local_port = np.where(has_ports, _port(rows["local_port_be"]), -1)
        self.remote_port = np.where(has_ports, _port(rows["remote_port_be"]), -1)
        self.filter = FilterColumns(
            table="connections",
            length=len(rows),
            local_addr=rows["local_addr"],
            remote_addr=rows["remote_addr"],
            has_local_addr=is_ip,
            has_remote_addr=is_ip & np.asarray(rows["remote_addr"].any(axis=1)),
            is_ipv6=rows["family"] == AF_INET6,
            local_port=self.local_port,
            remote_port=self.remote_port,
            protocol=np.where(self.is_tcp, IPPROTO_TCP, rows["protocol"].astype(np.int32)),
            rx_packets=self.own["rx_packets"],
            tx_packets=self.own["tx_packets"],
        )

    def with_owners(self) -> FilterColumns:
        """What expressions can say of the sockets."""
        return self.owners.added_to(self.filter)

    def _counts(self) -> dict[str, Array]:
        """A listener's are its own handshakes."""
        sockets, rows = self.rows["socket"], self.rows
        counts = {
            name: np.where(self.is_listener, sockets["listening"][name], sockets["own"][name])
            for name in COUNTS
        }
        for name, (of_tcp, before) in _APP_BYTES.items():
            since = rows[of_tcp] - np.minimum(sockets[before], rows[of_tcp])
            by_tcp = self.is_tcp & ~self.is_mptcp
            counts[name] = np.where(by_tcp, since, sockets["own"][name])
        return counts

    def identity(self) -> Array:
        """By owner, addresses and time of opening; good for rates."""
        rows, sockets = self.rows, self.rows["socket"]
        columns = [sockets["opened_ns"], sockets["owner_id"]]
        for name in ("local_addr", "remote_addr"):
            words = np.ascontiguousarray(rows[name]).view(np.uint64).reshape(len(rows), 2)
            columns += [words[:, 0], words[:, 1]]
        ports = rows["local_port_be"].astype(np.uint64) << np.uint64(32)
        columns.append(ports | rows["remote_port_be"].astype(np.uint64))
        return hash_words(np.stack(columns, axis=1))

    def record(self, row: int) -> Record:
        one = self.rows[row]
        is_tcp, socket = bool(self.is_tcp[row]), one["socket"]
        record: Record = dict.fromkeys(FIELDS)
        record |= self._addresses(row) | self.owners.record(row)
        record |= {name: int(values[row]) for name, values in self.own.items()}
        if not self._knows_app_bytes(row):
            record["app_rx_bytes"] = record["app_tx_bytes"] = None
        if is_tcp:
            record["state"] = state_name(int(one["tcp_state"]))
            record["role"] = _ROLES.get(int(socket["role"]))
            record["mptcp"] = bool(self.is_mptcp[row])
        if is_tcp and not self.is_listener[row]:
            record["rtt_us"] = int(one["srtt_us"]) or None
            minimum = int(one["min_rtt_us"])
            record["min_rtt_us"] = None if minimum in (0, NO_RTT_US) else minimum
            record["retransmits"] = int(one["retransmits"])
        opened = int(socket["opened_ns"])
        if opened:
            if record["remote_addr"] is not None:
                record["remote_name"] = self.remote_names.name(
                    without_zone(record["remote_addr"]),
                    self.clock.wall_ns(opened) / 1e9,
                    self.owners.owner(row),
                )
            record["opened_at"] = time_text(self.clock.wall_ns(opened) / 1e9)
            record["duration_s"] = round(max(0, self.clock.monotonic_ns - opened) / 1e9, 3)
        return record

    def _knows_app_bytes(self, row: int) -> bool:
        """TCP counts by itself; of a subflow without its MPTCP socket nothing is known."""
        if not self.is_mptcp[row]:
            return bool(self.is_tcp[row]) or self.has_app
        return self.has_app and bool(self.rows["protocol"][row] == IPPROTO_MPTCP)

    def _addresses(self, row: int) -> Record:
        one = self.rows[row]
        if one["family"] == AF_PACKET:
            return {"protocol": "packet"}
        ends: Record = {"protocol": socket_protocol_name(int(one["protocol"]))}
        if not self.is_ip[row]:
            return ends
        ipv6 = bool(one["family"] == AF_INET6)
        zone = self.zones.name(one) if ipv6 else None
        for side in ("local", "remote"):
            port = int(getattr(self, f"{side}_port")[row])
            if side == "remote" and not one["remote_addr"].any():
                continue
            ends[f"{side}_addr"] = address_text(one[f"{side}_addr"].tobytes(), ipv6=ipv6, zone=zone)
            ends[f"{side}_port"] = None if port < 0 else port
        return ends


class _Zones:
    """Names of the links that sockets are bound to.

    Numbers of interfaces begin anew in each network namespace: elsewhere a link goes by its number.
    """

    def __init__(self, sample: Sample) -> None:
        self._netns = sample.attachment.netns_inode, sample.attachment.netns_cookie
        self._names = sample.link_names

    def name(self, row: Any) -> str | None:
        """Of SOCKET_ROW; None where it is bound to none."""
        number, (inode, cookie) = int(row["bound_ifindex"]), self._netns
        if not number:
            return None
        known = None
        if row["netns_inode"] == inode and (not cookie or row["netns_cookie"] == cookie):
            known = self._names.get(number)
        return known or str(number)


def _port(column: Array) -> Array:
    numbers = host_order(column).astype(np.int32)
    return np.where(numbers == 0, -1, numbers)
