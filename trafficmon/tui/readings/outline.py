# SPDX-License-Identifier: MIT
"""What interfaces counted at some places of a recording: graphs are made of it.

A recording is never decoded as a whole. Places are read one by one while nothing else is, those
spread over the whole time line and those before the place that is shown; a rate between two of
them is exact, since counters are sums.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from trafficmon.errors import TrafficmonError
from trafficmon.model.rates import Array, Counted, RateMeter
from trafficmon.model.sample import Sample
from trafficmon.sources.recording.reader import Recording
from trafficmon.tables.catalogue import table_maker
from trafficmon.tables.rates import counted
from trafficmon.tui.readings.session import Graph


class Counts(NamedTuple):
    """Of the interfaces called ``names``."""

    names: list[str]
    counted: Counted


class Outline:
    """Reads ``path`` by itself, beside whoever else reads it. Used by several threads."""

    def __init__(self, path: Path) -> None:
        self._recording = Recording(path)
        self._known: dict[int, Counts | None] = {}  # None: the sample cannot be read
        self._rates: dict[tuple[int, int], float | None] = {}
        self._wanted: list[int] = []
        self._lock, self._reading = threading.Lock(), threading.Lock()

    def add(self, place: int, sample: Sample) -> None:
        """A sample that was read anyway."""
        with self._lock:
            self._known[place] = _counts(sample)

    def knows(self, place: int) -> bool:
        """Whether the place was read."""
        return place in self._known

    def want(self, places: Iterable[int]) -> None:
        """Read these next, in this order, instead of what was requested before."""
        self._wanted = [place for place in places if place not in self._known][::-1]

    @property
    def is_complete(self) -> bool:
        """Whether all requested places were read."""
        return not self._wanted

    def read_next(self) -> None:
        """Read the next requested place."""
        with self._reading:
            if not self._wanted:
                return
            place = self._wanted.pop()
            if place >= len(self._recording):
                self._recording.refresh()
            try:
                counts = _counts(self._recording.sample(place))
            except TrafficmonError:
                counts = None
        with self._lock:
            self._known[place] = counts

    def rate(self, before: int, place: int) -> float | None:
        """Bytes per second of all interfaces from one place to another; None where not known."""
        if (before, place) not in self._rates:
            one, other = self._known.get(before), self._known.get(place)
            if one is None or other is None:
                return None
            self._rates[before, place] = _total(_rates(one, other))
        return self._rates[before, place]

    def is_restart(self, before: int, place: int) -> bool:
        """Whether counters began anew between two places that are known."""
        one, other = self._known.get(before), self._known.get(place)
        return one is not None and other is not None and one.counted.epoch != other.counted.epoch

    def graphs(self, place: int, first: int) -> dict[str, Graph]:
        """By interface: rates from the places known from ``first`` on, up to ``place``.

        They begin where counters began anew.
        """
        with self._lock:
            places = sorted(at for at in self._known if first <= at <= place)
        graphs: dict[str, Graph] = {}
        before: Counts | None = None
        for at in places:
            counts = self._known[at]
            if counts is None:
                continue
            if before is not None:
                _extend(graphs, before, counts)
            before = counts
        return graphs

    def close(self) -> None:
        """Nothing more to read."""
        self._wanted = []
        with self._reading:
            self._recording.close()


def _counts(sample: Sample) -> Counts:
    table = table_maker("interfaces")(sample)
    names = [str(table.record(row)["interface"]) for row in range(table.length)]
    return Counts(names, counted(table, sample.clock.monotonic_ns / 1e9))


def _rates(before: Counts, counts: Counts) -> dict[str, Array] | None:
    meter = RateMeter()
    meter.rates(before.counted)
    rates = meter.rates(counts.counted)
    return None if meter.elapsed_s is None else rates


def _total(rates: dict[str, Array] | None) -> float | None:
    return None if rates is None else float(sum(np.nansum(of_way) for of_way in rates.values()))


def _extend(graphs: dict[str, Graph], before: Counts, counts: Counts) -> None:
    rates = _rates(before, counts)
    if rates is None:
        graphs.clear()
        return
    at_s, lasted_s = counts.counted.at_s, counts.counted.at_s - before.counted.at_s
    for row, name in enumerate(counts.names):
        graph = graphs.setdefault(name, Graph())
        for series, way in ((graph.rx, "rx"), (graph.tx, "tx")):
            if not np.isnan(rates[way][row]):
                series.add(at_s, lasted_s, float(rates[way][row]))
