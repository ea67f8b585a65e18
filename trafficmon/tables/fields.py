# SPDX-License-Identifier: MIT
"""What each table can be sorted and filtered by: a mistake is an error before any reading."""

from __future__ import annotations

from trafficmon.errors import UsageError, invalid_choice
from trafficmon.filter.nodes import Expression
from trafficmon.filter.offers import require_offered
from trafficmon.filter.parser import parse
from trafficmon.suggest import closest
from trafficmon.tables.catalogue import TABLES, WITH_ALL_ROWS

_COUNTS = ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes")
_SUMS = (*_COUNTS, "bytes", "packets")
_APP = ("app_rx_bytes", "app_tx_bytes")
_OWNED = (*_SUMS, *_APP, "connections")
_RATES = ("rx_rate", "tx_rate", "rate")

SORT_FIELDS: dict[str, tuple[str, ...]] = {
    "flows": (
        *(*_SUMS, "first_seen", "last_seen", "local_port", "remote_port", "protocol"),
        *("interface", "local_addr", "remote_addr"),
    ),
    "interfaces": (
        *(*_SUMS, "interface", "ifindex", "ipv4_packets", "ipv6_packets", "non_ip_packets"),
        *("tcp_packets", "udp_packets", "icmp_packets", "other_packets", "parse_errors"),
    ),
    "ports": ("packets", "bytes", "connections", "port", "protocol"),
    "protocols": ("packets", "bytes", "number", "protocol"),
    "hosts": (*_SUMS, "connections", "remote_addr"),
    "layers": ("layer", "order", *_COUNTS),
    "users": (*_OWNED, "uid", "user"),
    "processes": (*_OWNED, "pid", "uid", "comm", "user", "cgroup"),
    "cgroups": (*_OWNED, "cgroup_id", "path"),
    "connections": (
        *(*_SUMS, *_APP, "rtt_us", "retransmits", "local_port", "remote_port", "opened_at"),
        *("pid", "comm", "user", "state"),
    ),
    "drops": ("packets", "bytes", "reason", "location", "kind"),
    "dns": (
        *("queries", "responses", "nxdomain", "servfail", "refused", "formerr", "other_errors"),
        *("name", "type", "kind", "latency_us", "last_seen"),
    ),
}
"""Fields to sort by."""

_DIRECTIONS = frozenset({"rx_packets", "tx_packets"})
_ENDS = frozenset({"local_addr", "remote_addr", "local_port", "remote_port", "is_ipv6", "protocol"})
_OWNER = frozenset({"uid", "user", "pid", "comm", "cgroup"})

FILTER_COLUMNS: dict[str, frozenset[str]] = {
    "flows": _ENDS | _DIRECTIONS | _OWNER | {"interface"},
    "interfaces": frozenset({"interface"}),
    "ports": frozenset({"protocol", "local_port"}),
    "protocols": frozenset({"protocol"}),
    "hosts": _DIRECTIONS | {"remote_addr", "is_ipv6"},
    "layers": frozenset(),
    "users": _DIRECTIONS | {"uid", "user"},
    "processes": _DIRECTIONS | _OWNER,
    "cgroups": _DIRECTIONS | {"cgroup"},
    "connections": _ENDS | _DIRECTIONS | _OWNER | {"has_local_addr", "has_remote_addr"},
    "drops": frozenset(),
    "dns": frozenset(),
}
"""The columns of FilterColumns that it has."""


def require_sort(table: str, sort: str | None, *, has_rates: bool) -> None:
    """UsageError where ``table`` cannot be sorted by that; a leading "-" turns the order round."""
    known = (*SORT_FIELDS[table], *(_RATES if has_rates else ()))
    if sort is None or sort.removeprefix("-") in known:
        return
    if sort.removeprefix("-") in _RATES:
        raise UsageError(
            f"invalid value for --sort: {sort!r} (rates are shown by --watch, as text)"
        )
    raise invalid_choice("--sort", sort, known, closest(sort, known))


def require_filter(table: str, text: str | None) -> Expression | None:
    """The expression; FilterError where it cannot be read, or ``table`` lacks a column for it."""
    if not text:
        return None
    expression = parse(text)
    require_offered(expression, table, FILTER_COLUMNS[table])
    return expression


def require_table(name: str, *, every: bool) -> None:
    """UsageError where there is none of that name; or none that leaves out rows, for ``every``."""
    if name not in TABLES:
        raise invalid_choice("TABLE", name, TABLES, closest(name, TABLES))
    if every and name not in WITH_ALL_ROWS:
        raise UsageError(f"--all is for the table drops; {name} always has all rows")
