# SPDX-License-Identifier: MIT
"""What the dashboard shows, read in a thread of its own: tables with rates, and the overview.

Remembers from one reading to the next what rates and graphs need; knows nothing of the screen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trafficmon.errors import UsageError
from trafficmon.filter.evaluate import matches
from trafficmon.filter.nodes import Expression
from trafficmon.reader.live import Live
from trafficmon.tables.catalogue import table_maker
from trafficmon.tables.health import complaints
from trafficmon.tables.ledger import cgroup_coverage
from trafficmon.tables.rates import RateKeeper
from trafficmon.tables.table import Record, Table, choose_rows

Source = Callable[[], AbstractContextManager[Live]]
"""Opens one reading. The real one reads pinned maps; tests have others."""

GRAPH_SECONDS = 3600
_TOP = 5
_NO_RTT = 0xFFFFFFFF


@dataclass(frozen=True)
class Wish:
    """What to show of a table. ``sort`` None: by what goes on now."""

    table: str
    count: int
    sort: str | None = None
    reverse: bool = False
    expression: Expression | None = None


@dataclass(frozen=True)
class Rows:
    """A table as it is shown; ``keys`` tell rows again in the next reading."""

    wish: Wish
    sorted_by: str
    records: list[Record]
    keys: list[str]
    matched: int
    length: int
    notes: list[str]


@dataclass
class Graph:
    """Bytes per second of an interface, a value for each reading; the latest last."""

    rx: deque[float] = field(default_factory=lambda: deque(maxlen=GRAPH_SECONDS))
    tx: deque[float] = field(default_factory=lambda: deque(maxlen=GRAPH_SECONDS))


@dataclass(frozen=True)
class Overview:
    """One screen of everything. None: the layer that would know is not there."""

    graphs: dict[str, Graph]
    totals: dict[str, Record]
    protocols: list[tuple[str, float]]  # name, share of bytes
    top: dict[str, list[Record]]
    connections: int | None
    rtt_median_us: float | None
    rtt_worst_us: float | None
    retransmits: int | None
    drops: int | None
    coverage_percent: float | None
    notes: list[str]


class Model:
    """Reads from ``source``. Used by one thread at a time."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._keepers: dict[str, RateKeeper] = {}
        self._graphs: dict[str, Graph] = {}
        self._attached_at_ns: int | None = None
        self.restarted = False
        """Whether counters began anew since the reading before."""

    def rows(self, wish: Wish) -> Rows:
        """A table: filtered, sorted, cut."""
        with self._source() as live:
            self._notice_restart(live)
            if wish.table != "interfaces":  # graphs go on, whatever is looked at
                self._interfaces(live)
            table = self._with_rates(live, wish.table)
            mask = None
            if wish.expression is not None:
                mask = matches(wish.expression, table.filter_columns())
            sort = self._sort_of(table, wish)
            chosen = choose_rows(table, mask, f"-{sort}" if wish.reverse else sort, wish.count)
            identity = table.identity()
            return Rows(
                wish,
                sort,
                [table.record(row) for row in chosen],
                [str(int(identity[row])) for row in chosen],
                table.length if mask is None else int(mask.sum()),
                table.length,
                complaints(live),
            )

    def overview(self) -> Overview:
        """Everything, in short."""
        with self._source() as live:
            self._notice_restart(live)
            interfaces = self._interfaces(live)
            tops = {name: self._top(live, name) for name in self._tops(live)}
            sockets = live.sockets
            return Overview(
                graphs=self._graphs,
                totals={record["interface"]: record for record in interfaces},
                protocols=self._protocols(live),
                top=tops,
                connections=None if sockets is None else len(sockets),
                **_round_trips(sockets),
                drops=int(live.drops()[1]["packets"].sum()) if live.has_hook("drop") else None,
                coverage_percent=cgroup_coverage(live),
                notes=complaints(live),
            )

    def _notice_restart(self, live: Live) -> None:
        attached_at_ns = int(live.meta["attached_at_ns"])
        self.restarted = self._attached_at_ns not in (None, attached_at_ns)
        if self.restarted:
            self._keepers.clear()
            self._graphs.clear()
        self._attached_at_ns = attached_at_ns

    def _with_rates(self, live: Live, name: str) -> Table:
        return self._keepers.setdefault(name, RateKeeper()).add_rates(table_maker(name)(live))

    @staticmethod
    def _sort_of(table: Table, wish: Wish) -> str:
        """UsageError where it cannot be sorted by that."""
        if wish.sort is not None:
            if wish.sort not in table.sort_keys and wish.sort not in table.extra:
                raise UsageError(f"{wish.table} cannot be sorted by {wish.sort}")
            return wish.sort
        return "rate" if table.extra["rate"].any() else table.default_sort

    def _interfaces(self, live: Live) -> list[Record]:
        table = self._with_rates(live, "interfaces")
        records = [table.record(row) for row in range(table.length)]
        for record in records:
            graph = self._graphs.setdefault(record["interface"], Graph())
            graph.rx.append(record["rx_rate"] or 0.0)
            graph.tx.append(record["tx_rate"] or 0.0)
        return records

    @staticmethod
    def _tops(live: Live) -> tuple[str, ...]:
        owned = ("users", "processes") if live.owners is not None else ()
        return (*owned, "flows", "hosts")

    def _top(self, live: Live, name: str) -> list[Record]:
        table = self._with_rates(live, name)
        wish = Wish(name, _TOP)
        return [
            table.record(row) for row in choose_rows(table, None, self._sort_of(table, wish), _TOP)
        ]

    @staticmethod
    def _protocols(live: Live) -> list[tuple[str, float]]:
        table = table_maker("protocols")(live)
        records = [table.record(row) for row in choose_rows(table, None, "bytes", _TOP)]
        whole = float(table.sort_keys["bytes"]().sum()) or 1.0
        return [(str(r["protocol"]), r["bytes"] / whole) for r in records if r["bytes"]]


def _round_trips(sockets: Any) -> dict[str, Any]:
    """Of TCP's open connections."""
    if sockets is None:
        return dict.fromkeys(("rtt_median_us", "rtt_worst_us", "retransmits"))
    known = sockets["srtt_us"][(sockets["srtt_us"] > 0) & (sockets["srtt_us"] != _NO_RTT)]
    return {
        "rtt_median_us": float(np.median(known)) if len(known) else None,
        "rtt_worst_us": float(known.max()) if len(known) else None,
        "retransmits": int(sockets["retransmits"].sum()),
    }
