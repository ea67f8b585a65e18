# SPDX-License-Identifier: MIT
"""What goes on from one reading to the next: rates, graphs, and whether counters began anew."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from trafficmon.errors import NotAttachedError, TrafficmonError
from trafficmon.reader.live import Live
from trafficmon.tables.catalogue import table_maker
from trafficmon.tables.health import complaints
from trafficmon.tables.rates import RateKeeper
from trafficmon.tables.table import Record, Table

Source = Callable[[], AbstractContextManager[Live]]
"""Opens one reading. The real one reads pinned maps; tests have others."""

GRAPH_READINGS = 3600


class MissingLayerError(TrafficmonError):
    """Something is attached, but not the layer that this would be read from."""


@dataclass
class Graph:
    """Bytes per second, a value for each reading; the latest last."""

    rx: deque[float] = field(default_factory=lambda: deque(maxlen=GRAPH_READINGS))
    tx: deque[float] = field(default_factory=lambda: deque(maxlen=GRAPH_READINGS))

    def add(self, record: Record) -> None:
        """``rx_rate`` and ``tx_rate``; what is not known yet as nothing."""
        self.rx.append(record["rx_rate"] or 0.0)
        self.tx.append(record["tx_rate"] or 0.0)


class Session:
    """Reads from ``source``. Used by one thread at a time; ``now`` is a monotonic clock."""

    def __init__(self, source: Source, now: Callable[[], float] = time.monotonic) -> None:
        self._source, self.now = source, now
        self._keepers: dict[str, RateKeeper] = {}
        self._attached_at_ns: int | None = None
        self.graphs: dict[str, Graph] = {}
        self.interfaces: list[Record] = []
        """Of the latest reading."""
        self.notes: list[str] = []
        self.restarts = 0
        """How often counters began anew."""

    @contextmanager
    def reading(self) -> Iterator[Live]:
        """One look at everything. The interfaces' graphs go on, whatever is looked at."""
        with self._source() as live:
            self._notice_restart(live)
            table = self.with_rates(live, "interfaces")
            self.interfaces = [table.record(row) for row in range(table.length)]
            for record in self.interfaces:
                self.graphs.setdefault(record["interface"], Graph()).add(record)
            self.notes = complaints(live)
            yield live

    def with_rates(self, live: Live, name: str) -> Table:
        """The table called ``name``; asked for again in one reading, its rates would be of then."""
        keeper = self._keepers.setdefault(name, RateKeeper(self.now))
        try:
            table = table_maker(name)(live)
        except NotAttachedError as error:
            raise MissingLayerError(str(error)) from error
        return keeper.add_rates(table)

    def _notice_restart(self, live: Live) -> None:
        attached_at_ns = int(live.meta["attached_at_ns"])
        if self._attached_at_ns not in (None, attached_at_ns):
            self.restarts += 1
            self._keepers.clear()
            self.graphs.clear()
        self._attached_at_ns = attached_at_ns
