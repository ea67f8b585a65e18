# SPDX-License-Identifier: MIT
"""What of each table is shown to people; --json and --csv have all fields.

Columns of the highest priority number go first when the terminal is narrow; 0 stays.
"""

from __future__ import annotations

from collections.abc import Iterable

from trafficmon.render.columns import Column

_RX_BYTES = Column("rx_bytes", "RX", "right", "bytes", 1)
_TX_BYTES = Column("tx_bytes", "TX", "right", "bytes", 1)
_RX_PACKETS = Column("rx_packets", "RX PACKETS", "right", "count", 6)
_TX_PACKETS = Column("tx_packets", "TX PACKETS", "right", "count", 6)
_PACKETS = Column("packets", "PACKETS", "right", "count", 5)
_BYTES = Column("bytes", "BYTES", "right", "bytes", 1)

_OWNED = (
    _RX_BYTES,
    _TX_BYTES,
    _RX_PACKETS,
    _TX_PACKETS,
    Column("app_rx_bytes", "APP RX", "right", "bytes", 5),
    Column("app_tx_bytes", "APP TX", "right", "bytes", 5),
    Column("connections", "SOCKETS", "right", "count", 6),
)

COLUMNS: dict[str, tuple[Column, ...]] = {
    "flows": (
        Column("protocol", "PROTO", priority=2),
        Column("local_addr", "LOCAL", priority=1),
        Column("local_port", "PORT", "right", "port", 3),
        Column("remote_addr", "REMOTE", priority=0),
        Column("remote_port", "PORT", "right", "port", 2),
        _RX_BYTES,
        _TX_BYTES,
        _RX_PACKETS,
        _TX_PACKETS,
        Column("comm", "PROCESS", priority=3),
        Column("user", "USER", priority=5),
        Column("remote_name", "NAME", priority=6),
        Column("tcp_flags", "FLAGS", priority=8),
        Column("interface", "IFACE", priority=4),
        Column("last_seen", "LAST SEEN", kind="time", priority=7),
    ),
    "interfaces": (
        Column("interface", "INTERFACE", priority=0),
        Column("ifindex", "INDEX", "right", "port", 9),
        Column("xdp_mode", "XDP", priority=4),
        _RX_BYTES,
        _TX_BYTES,
        _RX_PACKETS,
        _TX_PACKETS,
        Column("ipv4_packets", "IPV4", "right", "count", 7),
        Column("ipv6_packets", "IPV6", "right", "count", 7),
        Column("non_ip_packets", "NOT IP", "right", "count", 8),
        Column("tcp_packets", "TCP", "right", "count", 8),
        Column("udp_packets", "UDP", "right", "count", 8),
        Column("icmp_packets", "ICMP", "right", "count", 9),
        Column("other_packets", "OTHER", "right", "count", 9),
        Column("parse_errors", "BROKEN", "right", "count", 9),
    ),
    "ports": (
        Column("protocol", "PROTO", priority=2),
        Column("port", "PORT", "right", "port", 0),
        _BYTES,
        _PACKETS,
        Column("connections", "FLOWS", "right", "count", 6),
    ),
    "protocols": (
        Column("protocol", "PROTOCOL", priority=0),
        Column("number", "NUMBER", "right", "port", 8),
        _BYTES,
        _PACKETS,
    ),
    "hosts": (
        Column("remote_addr", "REMOTE", priority=0),
        Column("remote_name", "NAME", priority=1),
        _RX_BYTES,
        _TX_BYTES,
        _RX_PACKETS,
        _TX_PACKETS,
        Column("connections", "FLOWS", "right", "count", 5),
    ),
    "users": (
        Column("user", "USER", priority=0),
        Column("uid", "UID", "right", "port", 4),
        *_OWNED,
    ),
    "processes": (
        Column("comm", "PROCESS", priority=0),
        Column("pid", "PID", "right", "port", 2),
        Column("user", "USER", priority=3),
        *_OWNED,
        Column("cgroup", "CGROUP", priority=8),
    ),
    "cgroups": (
        Column("path", "CGROUP", priority=0),
        Column("unit", "UNIT", priority=5),
        Column("container", "CONTAINER", priority=7),
        *_OWNED,
    ),
    "connections": (
        Column("protocol", "PROTO", priority=2),
        Column("local_addr", "LOCAL", priority=1),
        Column("local_port", "PORT", "right", "port", 3),
        Column("remote_addr", "REMOTE", priority=0),
        Column("remote_port", "PORT", "right", "port", 2),
        Column("state", "STATE", priority=4),
        Column("comm", "PROCESS", priority=2),
        Column("pid", "PID", "right", "port", 6),
        Column("user", "USER", priority=5),
        _RX_BYTES,
        _TX_BYTES,
        Column("rtt_us", "RTT US", "right", "count", 6),
        Column("retransmits", "RETR", "right", "count", 7),
        Column("remote_name", "NAME", priority=8),
    ),
    "dns": (
        Column("name", "NAME", priority=0),
        Column("type", "TYPE", priority=1),
        Column("queries", "QUERIES", "right", "count", 1),
        Column("responses", "ANSWERS", "right", "count", 2),
        Column("nxdomain", "NXDOMAIN", "right", "count", 4),
        Column("servfail", "SERVFAIL", "right", "count", 5),
        Column("refused", "REFUSED", "right", "count", 8),
        Column("other_errors", "OTHER ERRORS", "right", "count", 9),
        Column("latency_us_p50", "P50", "right", "duration_us", 2),
        Column("latency_us_p99", "P99", "right", "duration_us", 3),
        Column("last_seen", "LAST SEEN", kind="time", priority=7),
        Column("kind", "KIND", priority=6),
    ),
    "drops": (
        Column("reason", "REASON", priority=0),
        Column("location", "WHERE", priority=1),
        _PACKETS,
        _BYTES,
    ),
    "layers": (
        Column("layer", "LAYER", priority=0),
        _RX_BYTES,
        _TX_BYTES,
        _RX_PACKETS,
        _TX_PACKETS,
        Column("rx_packets_difference", "RX TO BELOW", "right", "count", 7),
        Column("causes", "WHY", priority=8),
    ),
}

_RATES = {
    "rx": Column("rx_rate", "RX/S", "right", "byte_rate", 0),
    "tx": Column("tx_rate", "TX/S", "right", "byte_rate", 0),
    "both": Column("rate", "BYTES/S", "right", "byte_rate", 0),
}

KINDS = (Column("kind", "KIND", priority=6),)
"""Put in by --all."""


def rate_columns(rated: Iterable[str]) -> tuple[Column, ...]:
    """The columns that --watch adds to a table with these rates: rx and tx, both in one, none."""
    return tuple(_RATES[name] for name in rated)
