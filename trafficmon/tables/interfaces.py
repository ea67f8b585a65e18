# SPDX-License-Identifier: MIT
"""Interfaces: what each saw in all."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from trafficmon.filter.columns import FilterColumns
from trafficmon.layout import AttachMode, Hook, InterfaceState, SizeBound
from trafficmon.model.flows import COUNTS
from trafficmon.model.groups import Records
from trafficmon.model.interfaces import WatchedInterface, counted_by_hook, since
from trafficmon.model.parts import Part
from trafficmon.model.sample import Sample
from trafficmon.model.services import KINDS, Services, packets_by_kind
from trafficmon.tables.table import Record, Table, as_text, or_nan

SIZE_LABELS = (*(str(int(bound)) for bound in SizeBound), "+Inf")
FIELDS = (
    "interface",
    "ifindex",
    "xdp_mode",
    *COUNTS,
    *KINDS,
    "parse_errors",
    "packet_size",
)
_XDP_NAMES = {
    AttachMode.OFF: "off",
    AttachMode.XDP_NATIVE: "native",
    AttachMode.XDP_GENERIC: "generic",
    AttachMode.XDP_OFFLOAD: "offload",
}


def interface_table(sample: Sample) -> Table:
    """One row an interface, also those that have gone."""
    interfaces = sample.interfaces  # before the counters: a slot given away meanwhile has more
    seen, services = sample.hook_counters, sample.services
    records = [_record(interface, seen, services) for interface in interfaces]
    numeric = ("ifindex", *COUNTS, *KINDS, "parse_errors")
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
        identity=lambda: np.array([interface.number for interface in interfaces], np.uint64),
        rated={
            side: partial(or_nan, [record[f"{side}_bytes"] for record in records])
            for side in ("rx", "tx")
        },
        read_at_s=sample.read_at_s.get(Part.HOOK_COUNTERS),
        epoch=sample.epoch,
    )


def _numbers(records: list[Record], name: str) -> Any:
    return lambda: np.array([record[name] or 0 for record in records], np.uint64)


def _record(interface: WatchedInterface, seen: Records, services: Services) -> Record:
    """``seen``: by row and hook."""
    base = interface.base
    own = since(counted_by_hook(seen, interface.slot), base["hooks"])
    hooks, sent = own[[Hook.XDP_RX, Hook.TC_RX]], own[Hook.TC_TX]
    rx_by_size, tx_by_size = hooks["packets_by_size"].sum(axis=0), sent["packets_by_size"]
    counts_rx = interface.tc_rx or interface.xdp_mode != AttachMode.OFF or bool(rx_by_size.any())
    counts_tx = interface.tc_mode != AttachMode.OFF or bool(tx_by_size.any())
    kinds, before = packets_by_kind(services, interface.rows), base["packets_by_kind"]
    return {
        "interface": interface.name,
        "ifindex": None if interface.gone else interface.ifindex,
        "xdp_mode": _xdp_mode(interface),
        "rx_packets": int(rx_by_size.sum()) if counts_rx else None,
        "rx_bytes": int(hooks["bytes"].sum()) if counts_rx else None,
        "tx_packets": int(tx_by_size.sum()) if counts_tx else None,
        "tx_bytes": int(sent["bytes"]) if counts_tx else None,
        **{name: max(0, int(kinds[at]) - int(before[at])) for at, name in enumerate(KINDS)},
        "parse_errors": int(hooks["parse_errors"].sum() + sent["parse_errors"]),
        "packet_size": {
            label: int(count)
            for label, count in zip(SIZE_LABELS, rx_by_size + tx_by_size, strict=True)
        },
    }


def _xdp_mode(interface: WatchedInterface) -> str:
    if interface.gone:
        return "gone"
    if interface.state == InterfaceState.DETACHED:
        return "detached"
    return _XDP_NAMES[interface.xdp_mode]
