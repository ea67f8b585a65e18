# SPDX-License-Identifier: MIT
"""Remote hosts: the flows' bytes by their other end."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from trafficmon.filter.columns import FilterColumns
from trafficmon.layout import FlowFlag
from trafficmon.model.flows import COUNTS
from trafficmon.model.groups import Groups, Records
from trafficmon.model.interfaces import interface_number, is_in_sums
from trafficmon.model.parts import Part
from trafficmon.model.sample import Sample
from trafficmon.tables.addresses import address_text, needs_zone, without_zone
from trafficmon.tables.flows import interface_names
from trafficmon.tables.gaps import of_flows
from trafficmon.tables.table import Array, Record, Table, by_direction

FIELDS = ("remote_addr", "remote_name", *COUNTS, "connections", "complete")


def host_table(sample: Sample) -> Table:
    """One row a remote address, of a link's addresses one a link; ``connections`` are flows.

    ``complete``: no flow has been evicted, or found no room. Then the sums are whole; else any of
    them may lack what such flows had counted, and be smaller than it was.
    """
    flows = sample.flows
    counted = is_in_sums(flows.keys["interface_id"])
    keys, values = flows.keys[counted], flows.values[counted]
    zones, zone_of = _zones(sample, keys)
    columns = np.zeros((len(keys), 4), np.uint64)
    columns[:, :2] = np.ascontiguousarray(keys["remote_addr"]).view(np.uint64)
    columns[:, 2] = keys["flags"] & FlowFlag.IPV6
    columns[:, 3] = zone_of
    groups = Groups(columns)
    addresses, zone_of = keys["remote_addr"][groups.first], zone_of[groups.first]
    is_ipv6 = columns[groups.first, 2] != 0
    sums = {name: groups.sum(values[name]) for name in COUNTS}
    connections = np.bincount(groups.of_row, minlength=len(groups)).astype(np.uint64)

    seconds, names = sample.clock.seconds, sample.remote_names
    began = values["first_seen_jiffies"]
    first, latest = groups.minimum(began), groups.maximum(began)

    def name_of(address: str, row: int) -> str | None:
        """Of its flow that began last; where that has none, of the one that began first."""
        latest_name = names.name(address, seconds(int(latest[row])))
        return latest_name or names.name(address, seconds(int(first[row])))

    def record(row: int) -> Record:
        zone = zones[int(zone_of[row])]
        address = address_text(addresses[row].tobytes(), ipv6=bool(is_ipv6[row]), zone=zone)
        return {
            "remote_addr": address,
            "remote_name": name_of(without_zone(address), row),
            **{name: int(sums[name][row]) for name in COUNTS},
            "connections": int(connections[row]),
            "complete": not flows.lost,
        }

    sort_keys: dict[str, Callable[[], Array]] = {
        **{name: partial(sums.__getitem__, name) for name in COUNTS},
        "bytes": lambda: sums["rx_bytes"] + sums["tx_bytes"],
        "packets": lambda: sums["rx_packets"] + sums["tx_packets"],
        "connections": lambda: connections,
        "remote_addr": lambda: np.ascontiguousarray(addresses).view("S16").reshape(-1),
    }
    return Table(
        name="hosts",
        fields=FIELDS,
        length=len(groups),
        sort_keys=sort_keys,
        default_sort="bytes",
        record=record,
        filter_columns=lambda: FilterColumns(
            table="hosts",
            length=len(groups),
            remote_addr=addresses,
            is_ipv6=is_ipv6,
            rx_packets=sums["rx_packets"],
            tx_packets=sums["tx_packets"],
        ),
        identity=lambda: groups.hashes,
        rated=by_direction(sort_keys),
        read_at_s=sample.read_at_s.get(Part.FLOWS),
        epoch=sample.epoch,
        notes=of_flows(sample, flows.lost),
    )


def _zones(sample: Sample, keys: Records) -> tuple[list[str], Records]:
    """Names of links, the first of which is none; and of each flow the place of its one."""
    is_scoped = ((keys["flags"] & FlowFlag.IPV6) != 0) & needs_zone(keys["remote_addr"])
    numbers = interface_number(keys["interface_id"][is_scoped])
    names, place = np.unique(interface_names(sample)[numbers].astype(str), return_inverse=True)
    zone_of = np.zeros(len(keys), np.uint64)
    zone_of[is_scoped] = place + 1
    return ["", *names.tolist()], zone_of
