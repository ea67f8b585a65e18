# SPDX-License-Identifier: MIT
"""One row followed: what it is now, how it went since it was opened, and what belongs to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trafficmon.events.select import is_below
from trafficmon.filter.columns import FilterColumns
from trafficmon.filter.evaluate import matches
from trafficmon.filter.parser import parse
from trafficmon.model.sample import Sample
from trafficmon.tables.addresses import without_zone
from trafficmon.tables.catalogue import table_maker
from trafficmon.tables.query import choose_rows
from trafficmon.tables.rates import RateKeeper
from trafficmon.tables.table import Array, Record, Table
from trafficmon.tui.readings.series import Series
from trafficmon.tui.readings.session import Graph, Session
from trafficmon.tui.readings.tree import build

_MOST = 12
ENDS = ("protocol", "local_addr", "local_port", "remote_addr", "remote_port")
_RELATED = {
    "processes": ("connections", "flows"),
    "users": ("processes", "connections"),
    "cgroups": ("processes", "connections"),
    "hosts": ("flows",),
    "ports": ("flows",),
    "protocols": ("flows",),
    "interfaces": ("flows",),
}
"""What a row is shown with."""
_COUNTERPART = {"flows": "connections", "connections": "flows"}
"""A flow is shown with its connection, and a connection with its flow."""


@dataclass
class Detail:
    """A row of ``table``. ``record`` is the latest there was; ``is_there``: it still is.

    ``layers``: name of a layer, and what that counted of this flow: bytes in and out.
    ``round_trips_us``: of the readings that knew one.
    """

    table: str
    key: str
    record: Record
    is_there: bool = True
    graph: Graph = field(default_factory=Graph)
    round_trips_us: Series = field(default_factory=Series)
    layers: list[tuple[str, int | None, int | None]] = field(default_factory=list)
    related: dict[str, list[Record]] = field(default_factory=dict)


def read_detail(session: Session, detail: Detail) -> Detail:
    """Bring it up to date."""
    other = _COUNTERPART.get(detail.table)
    related = (*_RELATED.get(detail.table, ()), *((other,) if other else ()))
    sample = session.read(detail.table, *related)
    table = session.with_rates(sample, detail.table)
    found = _find(table, detail)
    detail.is_there = found is not None
    detail.record = found or detail.record | {"rx_rate": 0.0, "tx_rate": 0.0}
    detail.graph.add(detail.record, keeper := session.keeper(detail.table))
    detail.related = _related(sample, detail)
    _follow(detail, keeper)
    return detail


def _find(table: Table, detail: Detail) -> Record | None:
    if detail.table == "cgroups":  # shown as a tree: with all below it, and by its path
        node = build([table.record(row) for row in range(table.length)]).get(detail.key)
        return node.record if node is not None else None
    places = np.flatnonzero(table.identity() == np.uint64(int(detail.key)))
    return table.record(int(places[0])) if len(places) else None


def _follow(detail: Detail, keeper: RateKeeper) -> None:
    """The layers that have counted it, and its round trips."""
    if detail.table not in ("flows", "connections"):
        return
    flow, connection = detail.record, detail.record
    if detail.table == "flows":
        connection = (detail.related.get("connections") or [{}])[0]
    else:
        flow = (detail.related.get("flows") or [{}])[0]
    detail.layers = [
        ("wire (xdp, tc)", flow.get("rx_bytes"), flow.get("tx_bytes")),
        ("socket (cgroup)", connection.get("rx_bytes"), connection.get("tx_bytes")),
        ("application", connection.get("app_rx_bytes"), connection.get("app_tx_bytes")),
    ]
    if (rtt_us := connection.get("rtt_us") or flow.get("rtt_us")) is not None:
        detail.round_trips_us.add(keeper.read_at_s, keeper.elapsed_s or 0.0, float(rtt_us))


def _related(sample: Sample, detail: Detail) -> dict[str, list[Record]]:
    related = {}
    for name in _RELATED.get(detail.table, ()):
        table = _table(sample, name)
        if table is not None:
            related[name] = _records(table, _belongs(detail, table.filter_columns()))
    other = _COUNTERPART.get(detail.table)
    if other is not None and (table := _table(sample, other)) is not None:
        found = _records(table, _same_ports(detail.record, table.filter_columns()), most=None)
        related[other] = [one for one in found if all(one[n] == detail.record[n] for n in ENDS)]
    return related


def _table(sample: Sample, name: str) -> Table | None:
    """None without the layer that lists them."""
    if sample.owners is None and name in ("connections", "processes"):
        return None
    return table_maker(name)(sample)


def _records(table: Table, mask: Array, most: int | None = _MOST) -> list[Record]:
    return [table.record(row) for row in choose_rows(table, mask, None, most)]


def _belongs(detail: Detail, columns: FilterColumns) -> Array:
    record = detail.record
    if detail.table == "hosts":
        return matches(parse(f"host {without_zone(record['remote_addr'])}"), columns)
    if detail.table == "ports":
        return matches(parse(f"proto {record['protocol']} and port {record['port']}"), columns)
    if detail.table == "protocols":
        return _equal(columns.protocol, record["number"], columns.length)
    if detail.table == "processes" and record["pid"] is None:
        return np.zeros(columns.length, bool)
    if detail.table == "cgroups":
        paths = columns.cgroup if columns.cgroup is not None else [None] * columns.length
        return np.array([is_below(path, record["path"]) for path in paths], bool)
    name = {"processes": "pid", "users": "uid", "interfaces": "interface"}[detail.table]
    return _equal(getattr(columns, name), record[name], columns.length)


def _same_ports(record: Record, columns: FilterColumns) -> Array:
    """Few enough to be made into records and compared as such."""
    mask = np.ones(columns.length, bool)
    for name in ("local_port", "remote_port"):
        expected = -1 if record[name] is None else record[name]
        mask &= _equal(getattr(columns, name), expected, columns.length)
    return mask


def _equal(column: Any, value: Any, length: int) -> Array:
    return np.zeros(length, bool) if column is None else np.asarray(column == value)
