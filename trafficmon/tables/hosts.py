# SPDX-License-Identifier: MIT
"""Remote hosts: the flows' bytes by their other end."""

from __future__ import annotations

from functools import partial

import numpy as np

from trafficmon.filter.columns import FilterColumns
from trafficmon.layout import FlowFlag
from trafficmon.reader.interfaces import is_in_sums
from trafficmon.reader.live import Live
from trafficmon.reader.merge import Groups
from trafficmon.tables.addresses import address_text
from trafficmon.tables.flows import whole_jiffies
from trafficmon.tables.table import Record, Table

_COUNTS = ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes")
FIELDS = ("remote_addr", "remote_name", *_COUNTS, "connections")


def host_table(live: Live) -> Table:
    """One row a remote address; ``connections`` are its flows."""
    flows = live.flows()
    counted = is_in_sums(flows.keys["interface_id"])
    keys, values = flows.keys[counted], flows.values[counted]
    columns = np.zeros((len(keys), 3), np.uint64)
    columns[:, :2] = np.ascontiguousarray(keys["remote_addr"]).view(np.uint64)
    columns[:, 2] = keys["flags"] & FlowFlag.IPV6
    groups = Groups(columns)
    addresses = keys["remote_addr"][groups.first]
    is_ipv6 = columns[groups.first, 2] != 0
    sums = {name: groups.sum(values[name]) for name in _COUNTS}
    connections = np.bincount(groups.of_row, minlength=len(groups)).astype(np.uint64)

    now_jiffies, seconds, names = live.jiffies_now(), live.wall_clock(), live.remote_names
    first = groups.minimum(values["first_seen_jiffies"])
    last = groups.maximum(whole_jiffies(values["last_seen_jiffies_low"], now_jiffies))

    def record(row: int) -> Record:
        address = address_text(addresses[row].tobytes(), ipv6=bool(is_ipv6[row]))
        used = seconds(int(first[row])), seconds(int(last[row]))
        return {
            "remote_addr": address,
            "remote_name": names.name(address, *used),
            **{name: int(sums[name][row]) for name in _COUNTS},
            "connections": int(connections[row]),
        }

    return Table(
        name="hosts",
        fields=FIELDS,
        length=len(groups),
        sort_keys={
            **{name: partial(sums.__getitem__, name) for name in _COUNTS},
            "bytes": lambda: sums["rx_bytes"] + sums["tx_bytes"],
            "packets": lambda: sums["rx_packets"] + sums["tx_packets"],
            "connections": lambda: connections,
            "remote_addr": lambda: np.ascontiguousarray(addresses).view("S16").reshape(-1),
        },
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
    )
