# SPDX-License-Identifier: MIT
"""What goes on from one reading to the next: rates, graphs, and whether counters began anew."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from trafficmon.errors import NotAttachedError, TrafficmonError
from trafficmon.model.parts import Part
from trafficmon.model.rates import Counted, RateMeter
from trafficmon.model.sample import Sample
from trafficmon.model.source import Source
from trafficmon.tables.catalogue import parts_of, table_maker
from trafficmon.tables.health import complaints
from trafficmon.tables.rates import RateKeeper
from trafficmon.tables.table import Record, Table
from trafficmon.tui.readings.series import Series

_NONE = Part(0)


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
        self._meters: dict[str, RateMeter] = {}
        self._attached_at_ns: int | None = None
        self._sample: Sample | None = None
        self._tables: dict[str, Table] = {}
        self.graphs: dict[str, Graph] = {}
        self.interfaces: list[Record] = []
        """Of the latest reading."""
        self.notes: list[str] = []
        self.restarts = 0
        """How often counters began anew."""

    def read(self, *tables: str, parts: Part = _NONE) -> Sample:
        """A sample for ``tables`` and with ``parts``; the interfaces' graphs grow with each."""
        sample = self._source.read(parts_of("interfaces", *tables) | parts)
        self._notice_restart(sample)
        table = self.with_rates(sample, "interfaces")
        self.interfaces = [table.record(row) for row in range(table.length)]
        for record in self.interfaces:
            graph = self.graphs.setdefault(record["interface"], Graph())
            graph.add(record, self.keeper("interfaces"))
        self.notes = complaints(sample)
        return sample

    def keeper(self, name: str) -> RateKeeper:
        """What makes the rates of the table called ``name``."""
        return self._keepers.setdefault(name, RateKeeper(self.now))

    def meter(self, name: str, counted: Callable[[Table, float], Counted]) -> RateMeter:
        """What makes rates of the table called ``name``: it knows the counters before those of now.

        ``counted``: makes them of the table, and of when it was read where it does not say so.
        """
        del counted  # of use where a sample does not follow the one that was read before
        return self._meters.setdefault(name, RateMeter())

    def with_rates(self, sample: Sample, name: str) -> Table:
        """The table called ``name``, made once of a sample."""
        if sample is not self._sample:
            self._sample, self._tables = sample, {}
        if name not in self._tables:
            self._tables[name] = self.keeper(name).add_rates(self._made(sample, name))
        return self._tables[name]

    @staticmethod
    def _made(sample: Sample, name: str) -> Table:
        try:
            return table_maker(name)(sample)
        except NotAttachedError as error:
            raise MissingLayerError(str(error)) from error

    def _notice_restart(self, sample: Sample) -> None:
        attached_at_ns = sample.attachment.attached_at_ns
        if self._attached_at_ns not in (None, attached_at_ns):
            self.restarts += 1
            self._keepers.clear()
            self.graphs.clear()
        self._attached_at_ns = attached_at_ns
