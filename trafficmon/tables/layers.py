# SPDX-License-Identifier: MIT
"""Layers: what each saw, and where the next one saw something else."""

from __future__ import annotations

from functools import partial

import numpy as np

from trafficmon.filter.columns import FilterColumns
from trafficmon.layout import Hook, Mode
from trafficmon.reader.live import Live
from trafficmon.reader.merge import Records
from trafficmon.tables.services import counted_slots
from trafficmon.tables.table import Array, Record, Table, as_text

_COUNTS = ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes")
_DIFFERENCES = tuple(f"{name}_difference" for name in _COUNTS)
FIELDS = ("layer", *_COUNTS, *_DIFFERENCES, "causes")


def layer_table(live: Live) -> Table:
    """xdp and tc; a layer that counts nothing says null. Differences are to the layer below."""
    seen = live.hook_counters()[counted_slots(live)]
    counted = [interface for interface in live.interfaces if not interface.covered]
    has_xdp = any(interface.xdp_mode != Mode.OFF for interface in counted)
    has_tc = any(interface.tc_mode != Mode.OFF for interface in counted)
    has_tc_rx = any(interface.tc_rx for interface in counted)
    xdp = _row("xdp", _total(seen, Hook.XDP_RX, Hook.XDP_GENERIC, attached=has_xdp), None)
    tc = _row(
        "tc",
        _total(seen, Hook.TC_RX, attached=has_tc_rx),
        _total(seen, Hook.TC_TX, attached=has_tc),
    )
    xdp["causes"] = "sees what comes in only"
    _compare(tc, xdp, live)
    rows = [xdp, tc]
    return Table(
        name="layers",
        fields=FIELDS,
        length=len(rows),
        sort_keys={
            "layer": lambda: as_text([row["layer"] for row in rows]),
            "order": lambda: -np.arange(len(rows)),
            **{name: partial(_numbers, rows, name) for name in _COUNTS},
        },
        default_sort="order",
        record=lambda row: rows[row],
        filter_columns=FilterColumns(table="layers", length=len(rows)),
        identity=lambda: np.arange(len(rows), dtype=np.uint64),
    )


def _numbers(rows: list[Record], name: str) -> Array:
    return np.array([row[name] or 0 for row in rows], np.uint64)


def _total(seen: Records, *hooks: Hook, attached: bool) -> tuple[int, int] | None:
    """Packets and bytes; None where nothing counts, and nothing did before."""
    packets = int(seen[:, hooks]["packets_by_size"].sum())
    return (packets, int(seen[:, hooks]["bytes"].sum())) if packets or attached else None


def _row(layer: str, rx: tuple[int, int] | None, tx: tuple[int, int] | None) -> Record:
    row: Record = dict.fromkeys(FIELDS)
    row["layer"] = layer
    row["rx_packets"], row["rx_bytes"] = rx or (None, None)
    row["tx_packets"], row["tx_bytes"] = tx or (None, None)
    return row


def _compare(upper: Record, lower: Record, live: Live) -> None:
    modes = {interface.xdp_mode for interface in live.interfaces}
    for name in _COUNTS:
        if upper[name] is not None and lower[name] is not None:
            upper[f"{name}_difference"] = upper[name] - lower[name]
    causes = []
    if Mode.XDP_GENERIC in modes:
        causes.append("generic XDP sees super-packets, tc counts their segments")
    if modes & {Mode.XDP_NATIVE, Mode.XDP_OFFLOAD}:
        causes.append("tc leaves to native XDP what comes in")
    if Mode.OFF in modes:
        causes.append("where XDP is off only tc counts")
    upper["causes"] = "; ".join(causes) or None
