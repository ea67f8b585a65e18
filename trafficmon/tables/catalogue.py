# SPDX-License-Identifier: MIT
"""The tables by name."""

from __future__ import annotations

from collections.abc import Callable

from trafficmon.errors import UsageError
from trafficmon.reader.live import Live
from trafficmon.suggest import closest
from trafficmon.tables.flows import flow_table
from trafficmon.tables.hosts import host_table
from trafficmon.tables.interfaces import interface_table
from trafficmon.tables.layers import layer_table
from trafficmon.tables.services import port_table, protocol_table
from trafficmon.tables.table import Table

TABLES: dict[str, Callable[[Live], Table]] = {
    "flows": flow_table,
    "interfaces": interface_table,
    "ports": port_table,
    "protocols": protocol_table,
    "hosts": host_table,
    "layers": layer_table,
}
LATER = ("connections", "users", "processes", "cgroups", "dns", "drops")


def table_maker(name: str) -> Callable[[Live], Table]:
    """What reads the table called ``name``."""
    if name in TABLES:
        return TABLES[name]
    if name in LATER:
        raise UsageError(f"table {name} is not in this version; it has: {', '.join(TABLES)}")
    close = closest(name, TABLES)
    hint = f"; did you mean {close}?" if close else ""
    raise UsageError(f"there is no table {name!r}; there are: {', '.join(TABLES)}{hint}")
