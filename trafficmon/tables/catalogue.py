# SPDX-License-Identifier: MIT
"""The tables by name."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import TYPE_CHECKING

from trafficmon.errors import UsageError, invalid_choice
from trafficmon.pins import PinDirectory
from trafficmon.reader.ahead import ReadAhead
from trafficmon.suggest import closest

if TYPE_CHECKING:
    from trafficmon.reader.live import Live
    from trafficmon.tables.table import Table

# Modules by name: a command shows one table and does not wait for the others.
TABLES = {
    "flows": ("flows", "flow_table"),
    "interfaces": ("interfaces", "interface_table"),
    "ports": ("services", "port_table"),
    "protocols": ("services", "protocol_table"),
    "hosts": ("hosts", "host_table"),
    "layers": ("layers", "layer_table"),
    "users": ("owners", "user_table"),
    "processes": ("owners", "process_table"),
    "cgroups": ("owners", "cgroup_table"),
    "connections": ("connections", "connection_table"),
    "drops": ("drops", "drop_table"),
    "dns": ("dns", "dns_table"),
}
WITH_ALL_ROWS = {"drops": ("drops", "every_drop_table")}
# What the longest of them read most of their time: a map, and the cache in front of it.
_FLOWS, _SERVICES = ("flows", "flow_cache"), ("services", "service_cache")
_MAPS = {"flows": _FLOWS, "hosts": _FLOWS, "ports": _SERVICES, "protocols": _SERVICES}
NAMED = ("flows", "hosts", "connections", "dns")
"""Those that tell names that DNS told."""


def read_ahead(pins: PinDirectory, name: str) -> AbstractContextManager[ReadAhead | None]:
    """Begins to read what the table called ``name`` will be made of, if that takes long."""
    if name not in _MAPS:
        return nullcontext()
    return ReadAhead(pins, *_MAPS[name])


def table_maker(name: str, *, every: bool = False) -> Callable[[Live], Table]:
    """What reads the table called ``name``; ``every`` row, also those it leaves out as a rule."""
    if every and name in TABLES and name not in WITH_ALL_ROWS:
        raise UsageError(f"--all is for the table drops; {name} always has all rows")
    if name in TABLES:
        module, maker = WITH_ALL_ROWS[name] if every else TABLES[name]
        found: Callable[[Live], Table] = getattr(
            import_module(f"trafficmon.tables.{module}"), maker
        )
        return found
    raise invalid_choice("TABLE", name, TABLES, closest(name, TABLES))
