# SPDX-License-Identifier: MIT
"""What goes on from one reading to the next: rates, graphs, and whether counters began anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from trafficmon.errors import NotAttachedError, TrafficmonError
from trafficmon.reader.live import Live
from trafficmon.tables.catalogue import table_maker
from trafficmon.tables.health import complaints
from trafficmon.tables.rates import RateKeeper
from trafficmon.tables.table import Record, Table
from trafficmon.tui.readings.series import Series

Source = Callable[[], AbstractContextManager[Live]]
"""Opens one reading. The real one reads pinned maps; tests have others."""


class MissingLayerError(TrafficmonError):
    """Something is attached, but not the layer that this would be read from."""


@dataclass
class Graph:
    """Bytes per second in either direction."""

    rx: Series = field(default_factory=Series)
    tx: Series = field(default_factory=Series)

    def add(self, record: Record, keeper: RateKeeper) -> None:
        """``rx_rate`` and ``tx_rate``, as ``keeper`` made them; what is not known is left out."""
        if keeper.elapsed_s is None:
            return
        for series, value in ((self.rx, record["rx_rate"]), (self.tx, record["tx_rate"])):
            if value is not None:
                series.add(keeper.read_at_s, keeper.elapsed_s, value)


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
                graph = self.graphs.setdefault(record["interface"], Graph())
                graph.add(record, self.keeper("interfaces"))
            self.notes = complaints(live)
            yield live

    def keeper(self, name: str) -> RateKeeper:
        """What makes the rates of the table called ``name``."""
        return self._keepers.setdefault(name, RateKeeper(self.now))

    def with_rates(self, live: Live, name: str) -> Table:
        """The table called ``name``; asked for again in one reading, its rates would be of then."""
        try:
            table = table_maker(name)(live)
        except NotAttachedError as error:
            raise MissingLayerError(str(error)) from error
        return self.keeper(name).add_rates(table)

    def _notice_restart(self, live: Live) -> None:
        attached_at_ns = int(live.meta["attached_at_ns"])
        if self._attached_at_ns not in (None, attached_at_ns):
            self.restarts += 1
            self._keepers.clear()
            self.graphs.clear()
        self._attached_at_ns = attached_at_ns
