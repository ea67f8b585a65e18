# SPDX-License-Identifier: MIT
"""Flows out of the pinned maps."""

from __future__ import annotations

import numpy as np

from trafficmon.layout import FLOW, FLOW_KEY, FLOW_SET, FLOW_SLOT
from trafficmon.libbpf.map import Map
from trafficmon.model.flows import Flows
from trafficmon.model.groups import Groups, Records
from trafficmon.reader.ahead import Looks
from trafficmon.reader.cached import Cache, add_slots, read_parts


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
    """A flow's owner is the one that was noted last, on whichever CPU."""
    order = np.argsort(slots["owner_at_ns"], kind="stable")  # of several the last one stays
    order = order[slots["owner_at_ns"][order] > values["owner_at_ns"][row_of_slot[order]]]
    for name in ("owner_id", "owner_at_ns"):
        values[name][row_of_slot[order]] = slots[name][order]
