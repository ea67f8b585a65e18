# SPDX-License-Identifier: MIT
"""Flows out of the pinned maps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trafficmon.layout import FLOW, FLOW_KEY, FLOW_SET, FLOW_SLOT
from trafficmon.libbpf.map import Map
from trafficmon.reader.ahead import Looks
from trafficmon.reader.cached import COUNTERS, Cache, add_slots, read_parts
from trafficmon.reader.merge import Groups, Records, words


@dataclass(frozen=True)
class Flows:
    """``keys`` (FLOW_KEY) and ``values`` (FLOW), row by row; ``entries``: those in the table.

    ``lost``: flows that were evicted from it, or found no room.
    """

    keys: Records
    values: Records
    entries: int
    lost: int = 0


def read_flows(table: Map, cache: Map, looks: Looks | None = None) -> Flows:
    """All flows, caches included."""
    parts = read_parts(table, Cache(cache, FLOW_SET, FLOW_SLOT), FLOW_KEY, FLOW, looks)
    keys, values, groups, rows = add_slots(parts)
    if groups is not None:
        _add_times_and_flags(values, parts.slots, groups, rows)
    return Flows(keys, values, parts.entries)


def _add_times_and_flags(values: Records, slots: Records, groups: Groups, rows: Records) -> None:
    known = values["last_seen_jiffies_low"][rows]
    latest = groups.maximum(slots["last_seen_jiffies"]).astype(np.uint32)
    is_later = (latest - known).view(np.int32) > 0  # modulo 2^32, as the kernel compares
    values["last_seen_jiffies_low"][rows] = np.where(is_later, latest, known)
    lone = values["first_seen_jiffies"][rows] == 0
    for name in ("first_seen_jiffies", "service_number"):
        values[name][rows[lone]] = slots[name][groups.first[lone]]
    values["last_seen_jiffies_low"][rows[lone]] = latest[lone]
    _add_owners(values, slots, rows[groups.of_row])
    flags = np.zeros(len(groups), np.uint8)
    np.bitwise_or.at(flags, groups.of_row, slots["tcp_flags"])
    bits = np.unpackbits(flags[:, None], axis=1, bitorder="little")
    values["tcp_flags"][rows] |= bits


def _add_owners(values: Records, slots: Records, row_of_slot: Records) -> None:
    """A flow's owner is the one that was asked for last, on whichever CPU."""
    order = np.argsort(slots["owner_at_ns"], kind="stable")  # of several the last one stays
    order = order[slots["owner_at_ns"][order] > values["owner_at_ns"][row_of_slot[order]]]
    for name in ("owner_id", "owner_at_ns"):
        values[name][row_of_slot[order]] = slots[name][order]


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
    for name in COUNTERS:
        values[name] = groups.sum(counted[name])
    values["first_seen_jiffies"] = groups.minimum(counted["first_seen_jiffies"])
    np.maximum.at(values["tcp_flags"], groups.of_row, counted["tcp_flags"])
    return Flows(keys[groups.first], values, flows.entries, flows.lost)
