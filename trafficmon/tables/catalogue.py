# SPDX-License-Identifier: MIT
"""The tables by name, and the parts of a sample that each is made of."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from trafficmon.errors import UsageError, invalid_choice
from trafficmon.model.parts import Part
from trafficmon.suggest import closest

if TYPE_CHECKING:
    from trafficmon.filter.nodes import Expression
    from trafficmon.model.sample import Sample
    from trafficmon.tables.table import Table

HEALTH = Part.INTERFACES | Part.FINDINGS
"""Of each table: what is not counted is noted below it."""
_OWNERS = Part.OWNERS | Part.SOCKETS | Part.NAMES
_OF_FLOWS = Part.LEDGER | Part.FLOWS | Part.INTERFACE_NAMES | Part.REMOTE_NAMES
_OF_SERVICES = Part.LEDGER | Part.SERVICES
_OF_OWNERS = Part.LAYERS | _OWNERS
ACROSS_LAYERS = (
    Part.HOOK_COUNTERS | Part.LAYERS | Part.OWNERS | Part.SOCKETS | _OF_SERVICES | Part.FLOWS
)
"""What shows how much of one layer's traffic another one has seen."""


class Entry(NamedTuple):
    """``module`` and ``maker`` by name: a command shows one table and does not wait for others."""

    module: str
    maker: str
    parts: Part


TABLES = {
    "flows": Entry("flows", "flow_table", _OF_FLOWS | _OWNERS),
    "interfaces": Entry("interfaces", "interface_table", Part.HOOK_COUNTERS | Part.SERVICES),
    "ports": Entry("services", "port_table", _OF_SERVICES),
    "protocols": Entry("services", "protocol_table", _OF_SERVICES),
    "hosts": Entry("hosts", "host_table", _OF_FLOWS),
    "layers": Entry("layers", "layer_table", ACROSS_LAYERS | Part.DROPS),
    "users": Entry("owners", "user_table", _OF_OWNERS),
    "processes": Entry("owners", "process_table", _OF_OWNERS | Part.PROCESS_LABELS),
    "cgroups": Entry("owners", "cgroup_table", _OF_OWNERS),
    "connections": Entry(
        "connections", "connection_table", _OWNERS | Part.LINK_NAMES | Part.REMOTE_NAMES
    ),
    "drops": Entry("drops", "drop_table", Part.DROPS),
    "dns": Entry("dns", "dns_table", Part.DNS | Part.DNS_LOSSES),
}
WITH_ALL_ROWS = {"drops": Entry("drops", "every_drop_table", Part.DROPS)}


class TableQuery(NamedTuple):
    """What to show of the table called ``table``.

    ``limit`` None: all rows; ``sort`` None: by rate with ``by_rate``, if any row has one, else as
    the table is sorted by default; ``reverse``: the other way round.
    """

    table: str
    limit: int | None = None
    sort: str | None = None
    reverse: bool = False
    expression: Expression | None = None
    by_rate: bool = False


def parts_of(*names: str) -> Part:
    """What these tables are made of, and the notes below them."""
    together = HEALTH
    for name in names:
        together |= TABLES[name].parts
    return together


def table_maker(name: str, *, every: bool = False) -> Callable[[Sample], Table]:
    """What makes the table called ``name``; ``every`` row, also those it leaves out as a rule."""
    if every and name in TABLES and name not in WITH_ALL_ROWS:
        raise UsageError(f"--all is for the table drops; {name} always has all rows")
    if name in TABLES:
        module, maker, _ = WITH_ALL_ROWS[name] if every else TABLES[name]
        found: Callable[[Sample], Table] = getattr(
            import_module(f"trafficmon.tables.{module}"), maker
        )
        return found
    raise invalid_choice("TABLE", name, TABLES, closest(name, TABLES))
