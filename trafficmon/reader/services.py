# SPDX-License-Identifier: MIT
"""The division by service: every packet of an interface is in exactly one row."""

from __future__ import annotations

from dataclasses import dataclass

from trafficmon.layout import SERVICE, SERVICE_KEY, SERVICE_SLOT
from trafficmon.libbpf.map import Map
from trafficmon.reader.ahead import Looks
from trafficmon.reader.cached import Cache, add_slots, read_parts
from trafficmon.reader.merge import Records


@dataclass(frozen=True)
class Services:
    """``keys`` (SERVICE_KEY) and ``values`` (SERVICE), row by row."""

    keys: Records
    values: Records
    entries: int


def read_services(table: Map, cache: Map, looks: Looks | None = None) -> Services:
    """All services, caches included."""
    slots = Cache(cache, SERVICE_SLOT, SERVICE_SLOT)
    parts = read_parts(table, slots, SERVICE_KEY, SERVICE, looks)
    keys, values, _, _ = add_slots(parts)
    return Services(keys, values, parts.entries)
