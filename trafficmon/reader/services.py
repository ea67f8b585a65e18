# SPDX-License-Identifier: MIT
"""Services out of the pinned maps."""

from __future__ import annotations

from trafficmon.layout import SERVICE, SERVICE_KEY, SERVICE_SLOT
from trafficmon.libbpf.map import Map
from trafficmon.model.services import Services
from trafficmon.reader.ahead import Looks
from trafficmon.reader.cached import Cache, add_slots, read_parts


def read_services(table: Map, cache: Map, looks: Looks | None = None) -> Services:
    """All services, caches included."""
    slots = Cache(cache, SERVICE_SLOT, SERVICE_SLOT)
    parts = read_parts(table, slots, SERVICE_KEY, SERVICE, looks)
    keys, values, _, _ = add_slots(parts)
    return Services(keys, values, parts.entries)
