# SPDX-License-Identifier: MIT
"""Interfaces: what each saw in all."""

from __future__ import annotations

from typing import Any

import numpy as np

from trafficmon.filter.columns import FilterColumns
from trafficmon.layout import SIZE_BOUNDS, Hook, Mode, ServiceKind, State
from trafficmon.reader.live import Live, WatchedInterface
from trafficmon.reader.merge import Records
from trafficmon.tables.table import Array, Record, Table, as_text

SIZE_LABELS = (*(str(bound) for bound in SIZE_BOUNDS), "+Inf")
_BREAKDOWN = (
    "ipv4_packets",
    "ipv6_packets",
    "non_ip_packets",
    "tcp_packets",
    "udp_packets",
    "icmp_packets",
    "other_packets",
)
_COUNTS = ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes")
FIELDS = (
    "interface",
    "ifindex",
    "xdp_mode",
    *_COUNTS,
    *_BREAKDOWN,
    "parse_errors",
    "packet_size",
)
_TCP, _UDP, _ICMP, _ICMPV6 = 6, 17, 1, 58
_XDP_NAMES = {
    Mode.OFF: "off",
    Mode.XDP_NATIVE: "native",
    Mode.XDP_GENERIC: "generic",
    Mode.XDP_OFFLOAD: "offload",
}


def interface_table(live: Live) -> Table:
    """One row an interface, also those that have gone."""
    seen = live.hook_counters()
    services = live.services()
    places = slots_of(live.interfaces)
    records = [
        _record(interface, seen[slots], services.keys, services.values, slots)
        for interface, slots in places
    ]
    numeric = ("ifindex", *_COUNTS, *_BREAKDOWN, "parse_errors")
    sort_keys = {name: _numbers(records, name) for name in numeric}
    names = [record["interface"] for record in records]
    return Table(
        name="interfaces",
        fields=FIELDS,
        length=len(records),
        sort_keys={
            **sort_keys,
            "bytes": lambda: sort_keys["rx_bytes"]() + sort_keys["tx_bytes"](),
            "packets": lambda: sort_keys["rx_packets"]() + sort_keys["tx_packets"](),
            "interface": lambda: as_text(names),
        },
        default_sort="bytes",
        record=lambda row: records[row],
        filter_columns=lambda: FilterColumns(
            table="interfaces", length=len(records), interface=np.array(names, dtype=object)
        ),
        identity=lambda: np.array([slots[0] for _, slots in places], np.uint64),
    )


def slots_of(interfaces: list[WatchedInterface]) -> list[tuple[WatchedInterface, list[int]]]:
    """Each with its slots: it has another one for the time when sums left it out."""
    by_name: dict[str, list[WatchedInterface]] = {}
    for interface in sorted(interfaces, key=lambda one: one.state == State.DETACHED):
        known = by_name.setdefault(interface.name, [])
        if known and interface.state != State.DETACHED:  # an earlier one of that name has gone
            by_name[f"{interface.name}\0{interface.slot}"] = [interface]
        else:
            known.append(interface)
    found = [(same[0], sorted(one.slot for one in same)) for same in by_name.values()]
    return sorted(found, key=lambda one: one[1])


def _numbers(records: list[Record], name: str) -> Any:
    return lambda: np.array([record[name] or 0 for record in records], np.uint64)


def _record(
    interface: WatchedInterface, seen: Records, keys: Records, values: Records, slots: list[int]
) -> Record:
    """``seen``: of its slots, by hook."""
    hooks, sent = seen[:, [Hook.XDP_RX, Hook.TC_RX]], seen[:, Hook.TC_TX]
    rx_by_size = hooks["packets_by_size"].sum(axis=(0, 1))
    tx_by_size = sent["packets_by_size"].sum(axis=0)
    counts_rx = interface.tc_rx or interface.xdp_mode != Mode.OFF or bool(rx_by_size.any())
    counts_tx = interface.tc_mode != Mode.OFF or bool(tx_by_size.any())
    mine = np.isin(keys["slot"], slots)
    packets = (values["rx_packets"] + values["tx_packets"])[mine]
    return {
        "interface": interface.name,
        "ifindex": None if interface.gone else interface.ifindex,
        "xdp_mode": _xdp_mode(interface),
        "rx_packets": int(rx_by_size.sum()) if counts_rx else None,
        "rx_bytes": int(hooks["bytes"].sum()) if counts_rx else None,
        "tx_packets": int(tx_by_size.sum()) if counts_tx else None,
        "tx_bytes": int(sent["bytes"].sum()) if counts_tx else None,
        **_breakdown(keys[mine], packets),
        "parse_errors": int(hooks["parse_errors"].sum() + sent["parse_errors"].sum()),
        "packet_size": {
            label: int(count)
            for label, count in zip(SIZE_LABELS, rx_by_size + tx_by_size, strict=True)
        },
    }


def _xdp_mode(interface: WatchedInterface) -> str:
    if interface.gone:
        return "gone"
    if interface.state == State.DETACHED:
        return "detached"
    return _XDP_NAMES[interface.xdp_mode]


def _breakdown(keys: Records, packets: Array) -> dict[str, int]:
    def count(where: Array) -> int:
        return int(packets[where].sum())

    is_ip = (keys["kind"] == ServiceKind.PORT) | (keys["kind"] == ServiceKind.PROTOCOL)
    tcp = is_ip & (keys["protocol"] == _TCP)
    udp = is_ip & (keys["protocol"] == _UDP)
    icmp = is_ip & ((keys["protocol"] == _ICMP) | (keys["protocol"] == _ICMPV6))
    return {
        "ipv4_packets": count(is_ip & (keys["ip_version"] == 4)),
        "ipv6_packets": count(is_ip & (keys["ip_version"] == 6)),
        "non_ip_packets": count(keys["kind"] == ServiceKind.ETHERTYPE),
        "tcp_packets": count(tcp),
        "udp_packets": count(udp),
        "icmp_packets": count(icmp),
        "other_packets": count(is_ip & ~tcp & ~udp & ~icmp),
    }
