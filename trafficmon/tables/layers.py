# SPDX-License-Identifier: MIT
"""Layers: what each saw, and where the next one saw something else."""

from __future__ import annotations

from functools import partial

import numpy as np

from trafficmon.filter.columns import FilterColumns
from trafficmon.layout import AttachMode, Hook, Layer, ServiceKind
from trafficmon.model.flow_owners import owner_ids
from trafficmon.model.flows import COUNTS
from trafficmon.model.groups import Records
from trafficmon.model.interfaces import is_in_sums
from trafficmon.model.parts import Part
from trafficmon.model.sample import Sample
from trafficmon.tables.drops import drops_by_side
from trafficmon.tables.table import Array, Record, Table, as_text, or_nan

_DIFFERENCES = tuple(f"{name}_difference" for name in COUNTS)
FIELDS = ("layer", *COUNTS, *_DIFFERENCES, "causes")
_LINK_HEADERS = "link headers, 14 bytes and more a packet"
_REST = "the rest took another interface, or was counted before attach was complete"
_Totals = tuple[int | None, int] | None


def layer_table(sample: Sample) -> Table:
    """xdp, tc, cgroup, app; a layer that counts nothing says null.

    Differences are to the layer below: of what came in that is what this one did not see of it.
    """
    wire = _wire_rows(sample)
    rows = [*wire, *_host_rows(sample)]
    if rows[2]["rx_bytes"] is not None:
        _compare(rows[2], wire[1])
        rows[2]["causes"] = _between_wire_and_sockets(sample)
    if rows[3]["rx_bytes"] is not None:
        _compare(rows[3], rows[2])
        rows[3]["causes"] = _between_sockets_and_calls(sample)
    return Table(
        name="layers",
        fields=FIELDS,
        length=len(rows),
        sort_keys={
            "layer": lambda: as_text([row["layer"] for row in rows]),
            "order": lambda: -np.arange(len(rows)),
            **{name: partial(_numbers, rows, name) for name in COUNTS},
        },
        default_sort="order",
        record=lambda row: rows[row],
        filter_columns=lambda: FilterColumns(table="layers", length=len(rows)),
        identity=lambda: np.arange(len(rows), dtype=np.uint64),
        rated={
            side: partial(or_nan, [row[f"{side}_bytes"] for row in rows]) for side in ("rx", "tx")
        },
        read_at_s=sample.read_at_s.get(Part.HOOK_COUNTERS),
        epoch=sample.epoch,
    )


def _wire_rows(sample: Sample) -> list[Record]:
    seen = sample.hook_counters
    seen = seen[is_in_sums(np.arange(len(seen)))]
    counted = [interface for interface in sample.interfaces if not interface.covered]
    has_xdp = any(interface.xdp_mode != AttachMode.OFF for interface in counted)
    has_tc = any(interface.tc_mode != AttachMode.OFF for interface in counted)
    has_tc_rx = any(interface.tc_rx for interface in counted)
    xdp = _row("xdp", _total(seen, Hook.XDP_RX, Hook.XDP_GENERIC, attached=has_xdp), None)
    tc = _row(
        "tc",
        _total(seen, Hook.TC_RX, attached=has_tc_rx),
        _total(seen, Hook.TC_TX, attached=has_tc),
    )
    xdp["causes"] = "sees what comes in only"
    _compare(tc, xdp)
    tc["causes"] = _between_hooks(sample)
    return [xdp, tc]


def _host_rows(sample: Sample) -> list[Record]:
    """Of the app layer the calls are no packets."""
    layers = sample.layers
    cgroup: tuple[_Totals, _Totals] = (None, None)
    app: tuple[_Totals, _Totals] = (None, None)
    if sample.has_hook("cgroup_rx"):
        rx, tx = layers[Layer.CGROUP_RX], layers[Layer.CGROUP_TX]
        cgroup = (int(rx["packets"]), int(rx["bytes"])), (int(tx["packets"]), int(tx["bytes"]))
    if sample.owners is not None and sample.has_layer("app"):
        sums = sample.owners.records
        app = (None, int(sums["app_rx_bytes"].sum())), (None, int(sums["app_tx_bytes"].sum()))
    return [_row("cgroup", *cgroup), _row("app", *app)]


def _numbers(rows: list[Record], name: str) -> Array:
    return np.array([row[name] or 0 for row in rows], np.uint64)


def _total(seen: Records, *hooks: Hook, attached: bool) -> tuple[int, int] | None:
    """Packets and bytes; None where nothing counts, and nothing did before."""
    packets = int(seen[:, hooks]["packets_by_size"].sum())
    return (packets, int(seen[:, hooks]["bytes"].sum())) if packets or attached else None


def _row(layer: str, rx: _Totals, tx: _Totals) -> Record:
    row: Record = dict.fromkeys(FIELDS)
    row["layer"] = layer
    row["rx_packets"], row["rx_bytes"] = rx or (None, None)
    row["tx_packets"], row["tx_bytes"] = tx or (None, None)
    return row


def _compare(upper: Record, lower: Record) -> None:
    for name in COUNTS:
        if upper[name] is not None and lower[name] is not None:
            upper[f"{name}_difference"] = upper[name] - lower[name]


def _between_hooks(sample: Sample) -> str | None:
    modes = {interface.xdp_mode for interface in sample.interfaces}
    causes = []
    if AttachMode.XDP_GENERIC in modes:
        causes.append("generic XDP sees super-packets, tc counts their segments")
    if modes & {AttachMode.XDP_NATIVE, AttachMode.XDP_OFFLOAD}:
        causes.append("tc leaves to native XDP what comes in")
    if AttachMode.OFF in modes:
        causes.append("where XDP is off only tc counts")
    return "; ".join(causes) or None


def _between_wire_and_sockets(sample: Sample) -> str:
    """What is known by number first; then what the rest can only be."""
    return "; ".join(
        (_not_ip(sample), _LINK_HEADERS, *_without_owner(sample), *_dropped(sample), _REST)
    )


def _not_ip(sample: Sample) -> str:
    services = sample.services
    is_ip = (services.keys["kind"] == ServiceKind.PORT) | (
        services.keys["kind"] == ServiceKind.PROTOCOL
    )
    others = services.values[~is_ip]
    packets = int(others["rx_packets"].sum() + others["tx_packets"].sum())
    octets = int(others["rx_bytes"].sum() + others["tx_bytes"].sum())
    return f"not IP: {packets} packets of {octets} bytes"


def _without_owner(sample: Sample) -> list[str]:
    """Flows of no known process, over all interfaces."""
    owners = sample.owners
    if owners is None:
        return []
    flows = sample.flows
    rows = owners.rows_of(owner_ids(flows.keys, flows.values, sample.socket_index))
    values = flows.values[rows < 0]
    packets = int(values["rx_packets"].sum() + values["tx_packets"].sum())
    octets = int(values["rx_bytes"].sum() + values["tx_bytes"].sum())
    return [f"in flows of no socket that is watched: {packets} packets of {octets} bytes"]


def _dropped(sample: Sample) -> list[str]:
    if not sample.has_hook("drop"):
        return []
    before, _ = drops_by_side(sample)
    return [f"dropped on the way in or out: {before} packets (top drops)"]


def _dropped_at_sockets(sample: Sample) -> list[str]:
    _, at_sockets = drops_by_side(sample) if sample.has_hook("drop") else (0, 0)
    return [f"dropped by sockets: {at_sockets} packets (top drops)"] if at_sockets else []


def _between_sockets_and_calls(sample: Sample) -> str:
    """Of open TCP connections the kernel knows what was retransmitted and what is unread."""
    rows = sample.sockets
    causes = ["IP and transport headers, handshakes and bare acknowledgements"]
    if rows is not None:
        unread = int((rows["tcp_rx_bytes"] - rows["tcp_read_bytes"]).sum())
        causes.append(f"of open connections {unread} bytes have arrived and are not read")
        causes.append(f"{int(rows['retransmits'].sum())} of their segments were sent again")
    causes += _dropped_at_sockets(sample)
    return "; ".join(causes)
