# SPDX-License-Identifier: MIT
"""The log: what the kernel's programs have counted goes to the journal, interval by interval."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from trafficmon.attachment import readers
from trafficmon.attachment.store import Store
from trafficmon.errors import NotAttachedError
from trafficmon.events.attached import has_layer, user_totals
from trafficmon.events.ring import RingSource
from trafficmon.events.stream import LOOK_EVERY_S, EventStream
from trafficmon.host.contained import Contained
from trafficmon.layout import EVENT_COUNTS, LOG_ROW
from trafficmon.pins import PinDirectory
from trafficmon.records import FIRST_KEY, record_of
from trafficmon.userlog.entries import EntryDecoder, InterfaceNames, attached_names
from trafficmon.userlog.journal import Entry, Journal
from trafficmon.userlog.programs import LogTables, logging_programs
from trafficmon.userlog.sinks.base import Sink, Totals

_ALL_THAT_FITS = (1 << 24) // LOG_ROW.itemsize
"""Into the ring buffer: a read takes all that was there when it began."""


@dataclass(frozen=True)
class LogOptions:
    """A row for each pair of addresses and interval, or ``per_packet``."""

    interval_s: float = 1.0
    per_packet: bool = False


class LogSource:
    """What the programs have counted, as entries."""

    def __init__(
        self,
        tables: LogTables,
        decoder: EntryDecoder,
        stream: EventStream[Entry],
        contained: Contained,
    ) -> None:
        self._tables, self._decoder, self.stream = tables, decoder, stream
        self._contained = contained

    def read(self) -> list[Entry]:
        """Of the interval that ends now; with ``per_packet`` of the packets until now."""
        at_ns = time.time_ns()
        keys, values = self._tables.next_interval()
        rows = zip((one.tobytes() for one in keys), values["bytes"].tolist(), strict=True)
        entries = self._contained.each(
            lambda row: self._decoder.entry(row[0], row[1], at_ns), rows, "decoding a row"
        )
        return entries + self.stream.read()


class Recorder:
    """Writes entries to the journal until it is interrupted."""

    def __init__(
        self,
        pins: PinDirectory,
        source: LogSource,
        journal: Journal,
        options: LogOptions,
        contained: Contained,
    ) -> None:
        self._pins, self._source, self._journal = pins, source, journal
        self._options, self._contained = options, contained
        self._reported: str | None = None

    def run(
        self,
        check: Callable[[], None],
        reopen: Callable[[], None],
        report: Callable[[str], None],
    ) -> None:
        """Until ``check``, called between two looks, raises KeyboardInterrupt; so is ``reopen``.

        ``report``: gets a line when writing begins to fail, and when it works again.
        """
        stream = self._source.stream
        self._settle(report)
        due_s = time.monotonic() + self._options.interval_s
        try:
            while True:
                is_ready = stream.wait(min(LOOK_EVERY_S, max(0.0, due_s - time.monotonic())))
                reopen()
                if is_ready and self._options.per_packet:
                    self._contained.run(self._write, "writing rows of packets")
                if time.monotonic() >= due_s:
                    due_s += self._options.interval_s
                    self._contained.run(lambda: self._settle(report), "writing rows")
                stream.require_attached()
                check()
        except KeyboardInterrupt:
            self._settle(report)

    def _write(self) -> None:
        self._journal.add(self._source.read())

    def _settle(self, report: Callable[[str], None]) -> None:
        """All that has passed until now, and what is missing of users who are at rest.

        The users' totals are read between two looks: the total and the rows of a user who has sent
        and received nothing between these are of the same moment.
        """
        self._write()
        totals = {uid: Totals(*sums) for uid, sums in user_totals(self._pins).items()}
        entries = self._source.read()
        self._journal.settle(totals, {entry.uid for entry in entries}, time.time_ns())
        self._journal.add(entries)
        self._report_failure(report)

    def _report_failure(self, report: Callable[[str], None]) -> None:
        failure, self._journal.failure = self._journal.failure, None
        reason = None if failure is None else _reason(failure)
        if reason and reason != self._reported:
            report(
                f"cannot write rows: {reason}; {self._journal.lost:,} are lost so far, their "
                "bytes will be in later rows"
            )
        elif self._reported and not reason:
            report("rows are being written again")
        self._reported = reason


def _reason(failure: OSError) -> str:
    """With the name of the file, where it is about one."""
    text = failure.strerror or str(failure)
    return text if failure.filename is None else f"{failure.filename}: {text}"


class _Ledger:
    """Rows that were written and lost: in the ledger, which nothing else counts them in."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def count(self, offered: int, lost: int) -> None:
        counts = self._store.maps["log_counts"]
        record = record_of(counts.lookup(FIRST_KEY), EVENT_COUNTS)
        record["offered"] += offered
        record["lost"] += lost
        record["delivered"] += offered - lost
        counts.update(FIRST_KEY, record.tobytes())
        readers.publish(self._store, "log_counts")


@contextmanager
def recorder(
    pins: PinDirectory, sink: Sink, options: LogOptions, contained: Contained
) -> Iterator[Recorder]:
    """The log, while inside; NotAttachedError without the cgroup layer."""
    if not has_layer(pins, "cgroup"):
        raise NotAttachedError(
            "the cgroup layer, which knows users, is not attached; "
            "'trafficmon attach --layer cgroup' adds it"
        )
    with (
        Store.open(pins) as store,
        logging_programs(store, per_packet=options.per_packet) as tables,
    ):
        names = InterfaceNames(
            is_inside=store.is_of_this_namespace(), attached=attached_names(store)
        )
        decoder = EntryDecoder(names)
        ring = RingSource(tables.rows, decoder.decode, contained, _ALL_THAT_FITS)
        stream = EventStream(pins, [ring])
        journal = Journal(sink, int(store.meta()["attached_at_ns"]), _Ledger(store).count)
        try:
            journal.open()
            source = LogSource(tables, decoder, stream, contained)
            yield Recorder(pins, source, journal, options, contained)
        finally:
            stream.close()
            ring.close()
            sink.close()
