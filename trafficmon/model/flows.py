# SPDX-License-Identifier: MIT
"""Flows, as a source has read them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from trafficmon.model.groups import Groups, Records, words

COUNTS = ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes")
"""What flows, services, hooks, owners and sockets count, by their members' names."""


class Flows(NamedTuple):
    """``keys`` (FLOW_KEY) and ``values`` (FLOW), row by row; ``entries``: those in the table.

    ``lost``: flows that were evicted from it, or found no room.
    """

    keys: Records
    values: Records
    entries: int
    lost: int = 0


def with_ids_joined(flows: Flows) -> Flows:
    """What an interface's flow counted in the sums and out of them, as one."""
    keys, counted = flows.keys.copy(), flows.values
    keys["interface_id"] &= 0xFFFE
    groups = Groups(words(keys))
    values = counted[groups.first]
    low = counted["last_seen_jiffies_low"]
    oldest_first = np.argsort((low - low[:1]).view(np.int32), kind="stable")  # modulo 2^32
    owned = np.argsort(counted["owner_at_ns"], kind="stable")
    for name, rows in (("last_seen_jiffies_low", oldest_first), ("owner_id", owned)):
        values[name][groups.of_row[rows]] = counted[name][rows]  # of several the last one stays
    for name in COUNTS:
        values[name] = groups.sum(counted[name])
    values["first_seen_jiffies"] = groups.minimum(counted["first_seen_jiffies"])
    np.maximum.at(values["tcp_flags"], groups.of_row, counted["tcp_flags"])
    return Flows(keys[groups.first], values, flows.entries, flows.lost)
