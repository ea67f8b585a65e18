# SPDX-License-Identifier: MIT
"""A recording read for the dashboard: any place, with the rates and graphs of that place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from trafficmon.errors import TrafficmonError
from trafficmon.events.event import Event
from trafficmon.model.parts import Part
from trafficmon.model.rates import Counted, RateMeter
from trafficmon.model.sample import Sample
from trafficmon.sources.recorded import RecordedSource
from trafficmon.sources.recording.errors import RecordingError
from trafficmon.tables.catalogue import table_maker
from trafficmon.tables.rates import RateKeeper
from trafficmon.tables.table import Table
from trafficmon.tui.readings.outline import Outline
from trafficmon.tui.readings.player import clock_text
from trafficmon.tui.readings.session import Session

T = TypeVar("T")
_NONE = Part(0)
GRAPH_PLACES = 60
"""Samples that a graph is made of, at most."""


class DamagedSampleError(TrafficmonError):
    """The sample at a place cannot be read; others can."""


class RecordedSession(Session):
    """Rates are of a sample and the one before it in the recording, whatever was shown before."""

    def __init__(self, source: RecordedSource, path: Path) -> None:
        super().__init__(source, lambda: self._timed_ns / 1e9)
        self.source, self.outline = source, Outline(path)
        self.place = -1
        self._before: Sample | None = None
        self._timed_ns = 0

    def answer(
        self,
        place: int,
        first: int,
        question: Callable[[Session], T],
        history: Sequence[int] = (),
        is_current: Callable[[], bool] = lambda: True,
    ) -> T:
        """``question``, of the sample at ``place``; graphs begin at the place ``first``.

        ``history``: places before it that it is put to first, while ``is_current``, for what it
        remembers itself. DamagedSampleError where the sample cannot be read.
        """
        for before, at in pairwise(history):
            if not is_current():
                break
            self._go_to(at, before)
            with suppress(DamagedSampleError):
                question(self)
        if place != self.place:
            self._go_to(place, place - 1)
        self.graphs = self.outline.graphs(place - 1, first)
        return question(self)

    def _go_to(self, place: int, before: int) -> None:
        self._keepers.clear()
        self._sample = None  # its tables have the rates of another time
        self.place, self._before = place, None
        if before >= 0:
            self._before = self._sample_at(before)
        self._sample_at(place)
        self.source.place = place

    def _sample_at(self, place: int) -> Sample | None:
        """Known to the graphs too; None where it cannot be read."""
        self.source.place = place
        try:
            sample = self.source.read(_NONE)
        except RecordingError:
            return None
        self.outline.add(place, sample)
        return sample

    def read(self, *tables: str, parts: Part = _NONE) -> Sample:
        """See Session."""
        try:
            return super().read(*tables, parts=parts)
        except RecordingError as error:
            at = clock_text(self.source.recording.times_ns[self.place])
            raise DamagedSampleError(
                f"cannot read the sample of {at}: {error.reason}; others may be whole"
            ) from error

    def with_rates(self, sample: Sample, name: str) -> Table:
        """See Session."""
        if name not in self._keepers:
            self._keepers[name] = keeper = RateKeeper(self.now)
            if self._before is not None:
                self._timed_ns = self._before.clock.monotonic_ns
                keeper.add_rates(self._made(self._before, name))
        self._timed_ns = sample.clock.monotonic_ns
        return super().with_rates(sample, name)

    def meter(self, name: str, counted: Callable[[Table, float], Counted]) -> RateMeter:
        """See Session."""
        meter, before = RateMeter(), self._before
        if before is not None:
            meter.rates(counted(table_maker(name)(before), before.clock.monotonic_ns / 1e9))
        return meter

    def _notice_restart(self, sample: Sample) -> None:
        """The time line has marks for it."""

    def close(self) -> None:
        """Nothing more to read."""
        self.outline.close()
        self.source.close()


class NoEvents:
    """The feed of a recording."""

    def start(self) -> None:
        """Nothing comes."""

    def stop(self) -> None:
        """Nothing came."""

    def newest(self) -> list[Event]:
        """None."""
        return []

    def note(self) -> str:
        """Why there are none."""
        return "a recording holds no events; 'trafficmon events' shows them as they happen"
