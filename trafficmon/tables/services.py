# SPDX-License-Identifier: MIT
"""Protocols and ports: the division by service, over all interfaces.

Left out are interfaces whose packets also pass an attached one below them (bond over port, VLAN
over trunk), so that no packet counts twice.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from trafficmon.filter.columns import FilterColumns
from trafficmon.layout import ServiceKind
from trafficmon.model.flows import COUNTS
from trafficmon.model.groups import Records
from trafficmon.model.interfaces import is_in_sums
from trafficmon.model.parts import Part
from trafficmon.model.sample import Sample
from trafficmon.protocols import protocol_name
from trafficmon.tables.gaps import of_services
from trafficmon.tables.table import Array, Record, Table

PROTOCOL_FIELDS = ("protocol", "number", "packets", "bytes")
PORT_FIELDS = ("protocol", "port", "packets", "bytes", "connections")


def protocol_table(sample: Sample) -> Table:
    """All 256 protocols."""
    keys, values = _counted(sample)
    chosen = (keys["kind"] == ServiceKind.PORT) | (keys["kind"] == ServiceKind.PROTOCOL)
    numbers = keys["protocol"][chosen]
    sums = {name: _sum(numbers, 256, values[name][chosen]) for name in COUNTS}
    packets = sums["rx_packets"] + sums["tx_packets"]
    octets = sums["rx_bytes"] + sums["tx_bytes"]
    every = np.arange(256)

    def record(row: int) -> Record:
        return {
            "protocol": protocol_name(row),
            "number": row,
            "packets": int(packets[row]),
            "bytes": int(octets[row]),
        }

    return Table(
        name="protocols",
        notes=of_services(sample),
        fields=PROTOCOL_FIELDS,
        length=256,
        sort_keys={
            "packets": lambda: packets,
            "bytes": lambda: octets,
            "number": lambda: every,
            "protocol": lambda: np.array([protocol_name(n) for n in range(256)]),
        },
        default_sort="bytes",
        record=record,
        filter_columns=lambda: FilterColumns(table="protocols", length=256, protocol=every),
        identity=lambda: every.astype(np.uint64),
        rated=_rated(sums),
        read_at_s=sample.read_at_s.get(Part.SERVICES),
        epoch=sample.epoch,
    )


def port_table(sample: Sample) -> Table:
    """Ports of services, by protocol; a flow's packets are all under one of its two ports."""
    keys, values = _counted(sample)
    chosen = keys["kind"] == ServiceKind.PORT
    codes = keys["protocol"][chosen].astype(np.uint32) << 16 | keys["number"][chosen]
    services, of_row = np.unique(codes, return_inverse=True)
    sums = {name: _sum(of_row, len(services), values[name][chosen]) for name in COUNTS}
    packets = sums["rx_packets"] + sums["tx_packets"]
    octets = sums["rx_bytes"] + sums["tx_bytes"]
    flows = _sum(of_row, len(services), values["flows"][chosen])
    protocols, numbers = (services >> 16).astype(np.int32), (services & 0xFFFF).astype(np.int32)

    def record(row: int) -> Record:
        return {
            "protocol": protocol_name(int(protocols[row])),
            "port": int(numbers[row]),
            "packets": int(packets[row]),
            "bytes": int(octets[row]),
            "connections": int(flows[row]),
        }

    sort_keys: dict[str, Callable[[], Array]] = {
        "packets": lambda: packets,
        "bytes": lambda: octets,
        "connections": lambda: flows,
        "port": lambda: numbers,
        "protocol": lambda: np.array([protocol_name(int(n)) for n in protocols], dtype=str),
    }
    return Table(
        name="ports",
        notes=of_services(sample),
        fields=PORT_FIELDS,
        length=len(services),
        sort_keys=sort_keys,
        default_sort="bytes",
        record=record,
        filter_columns=lambda: FilterColumns(
            table="ports", length=len(services), protocol=protocols, local_port=numbers
        ),
        identity=lambda: services.astype(np.uint64),
        rated=_rated(sums),
        read_at_s=sample.read_at_s.get(Part.SERVICES),
        epoch=sample.epoch,
    )


def _counted(sample: Sample) -> tuple[Records, Records]:
    services = sample.services
    counted = is_in_sums(services.keys["row"])
    return services.keys[counted], services.values[counted]


def _rated(sums: dict[str, Array]) -> dict[str, Callable[[], Array]]:
    return {side: partial(sums.__getitem__, f"{side}_bytes") for side in ("rx", "tx")}


def _sum(of_row: Array, groups: int, values: Array) -> Array:
    totals = np.zeros(groups, np.uint64)
    np.add.at(totals, of_row, values)
    return totals
