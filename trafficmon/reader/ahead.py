# SPDX-License-Identifier: MIT
"""A table and its cache read in a thread, while the interpreter imports what will work on them.

Reading 100,000 flows and importing numpy take about as long; a command that shows them once does
both at the same time. Nothing here may import numpy, then.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from threading import Thread
from typing import Self

from trafficmon.errors import TrafficmonError
from trafficmon.libbpf.rawmap import RawEntries, RawMap
from trafficmon.model.parts import Part
from trafficmon.pins import PinDirectory

# What takes longest to read of a sample: a map, and the cache in front of it.
_MAPS = {Part.FLOWS: ("flows", "flow_cache"), Part.SERVICES: ("services", "service_cache")}


@dataclass(frozen=True)
class Looks:
    """The cache, the table, and the cache again: see cached.py for the order."""

    before: RawEntries
    table: RawEntries
    after: RawEntries
    ledger: RawEntries
    """Read before all of them."""


class ReadAhead:
    """Begins to read the ``table`` of ``pins`` and the ``cache`` in front of it."""

    def __init__(self, pins: PinDirectory, table: str, cache: str) -> None:
        self.table = table
        self._paths = [str(pins.map(name)) for name in (table, cache, "ledger")]
        self._looks: Looks | None = None
        self._thread = Thread(target=self._read)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def _read(self) -> None:
        try:
            with ExitStack() as stack:
                maps = [RawMap.from_pin(path, read_only=True) for path in self._paths]
                table, cache, losses = (stack.enter_context(opened) for opened in maps)
                ledger, before = losses.raw_entries(), cache.raw_entries()
                self._looks = Looks(before, table.raw_entries(), cache.raw_entries(), ledger)
        except TrafficmonError:
            return  # the reader that goes without meets the same error, and reports it

    def take(self) -> Looks | None:
        """What was read, once: a second reading is to be newer. None if it could not be."""
        self._thread.join()
        looks, self._looks = self._looks, None
        return looks


def read_ahead(pins: PinDirectory, parts: Part) -> AbstractContextManager[ReadAhead | None]:
    """Begins to read what a sample with ``parts`` will be made of, if that takes long."""
    for part, maps in _MAPS.items():
        if part in parts:
            return ReadAhead(pins, *maps)
    return nullcontext()
