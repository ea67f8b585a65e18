# SPDX-License-Identifier: MIT
"""The dashboard as a conversation, for screen readers and terminals that only print.

Nothing is drawn, moved or coloured, and nothing is printed without a request: whoever listens
is not interrupted. Each line says what its numbers are, so none needs the line of heads above it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TextIO

from trafficmon.errors import TrafficmonError, UsageError
from trafficmon.events.select import matching
from trafficmon.filter.nodes import Expression
from trafficmon.filter.parser import parse
from trafficmon.host.error_log import ErrorLog
from trafficmon.model.source import Source
from trafficmon.render.columns import Column, cell_text
from trafficmon.render.eventline import event_line
from trafficmon.render.fields import field_text
from trafficmon.render.safe import escape_controls
from trafficmon.suggest import closest
from trafficmon.tables.catalogue import TABLES, TableQuery
from trafficmon.tables.table import Record
from trafficmon.tui.panes.cells import columns_of, rate_text
from trafficmon.tui.panes.problem import remedy
from trafficmon.tui.readings.feed import Feed
from trafficmon.tui.readings.overview import Overview, read_overview
from trafficmon.tui.readings.rows import Rows, read_rows
from trafficmon.tui.readings.session import Session

_FIRST_LOOK_S = 1.0
_MOST_FIELDS = 6
_DEFAULT_ROWS = 10
_SPOKEN = {
    "rx_rate": "receiving",
    "tx_rate": "sending",
    "rate": "moving",
    "local_port": "local port",
    "remote_port": "remote port",
}
_HELP = """\
overview: everything in short.
flows, connections, processes, users, cgroups, hosts, ports, protocols, dns, drops, layers, \
interfaces: the largest of a table; with a number after it, so many.
events: what has happened, the newest first.
A number alone: everything about that row of the last table.
sort and a field: by that; sort alone: by what goes on now.
filter and an expression, such as: filter port 443 and user alice. filter alone: no filter.
Enter alone: the same again, with numbers of now.
help: this. quit: the end."""


class Conversation:
    """Reads commands from ``lines``, answers to ``out``; ``wait`` is time.sleep but for tests."""

    def __init__(
        self,
        source: Source,
        feed: Feed,
        lines: TextIO,
        out: TextIO,
        *,
        wait: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session, self._feed = Session(source, now), feed
        self._errors = ErrorLog()
        self._lines, self._out, self._wait = lines, out, wait
        self._expression: Expression | None = None
        self._sort: dict[str, str] = {}
        self._again = "overview"
        self._records: list[Record] = []
        self._looked: set[str] = set()

    def run(self) -> None:
        """Until quit, or the end of what is typed."""
        self._say("trafficmon. Type help for the commands, quit to end.")
        self._answer(self._again)
        while True:
            self._out.write("> ")
            self._out.flush()
            line = self._lines.readline()
            if not line or line.strip() in ("quit", "q", "exit"):
                return
            self._answer(line.strip() or self._again)

    def _answer(self, line: str) -> None:
        try:
            self._do(line)
        except (TrafficmonError, OSError) as error:
            self._say(str(error))
            if summary := remedy(error):
                self._say(summary)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next question is answered
            self._say(self._errors.note(error, f"answering {line}"))

    def _do(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        rest = rest.strip()
        if word.isdecimal():
            self._tell_row(int(word))
        elif word == "help":
            self._say(_HELP)
        elif word == "filter":
            self._expression = parse(rest) if rest else None
            self._answer(self._again)
        elif word == "sort":
            self._set_sort(rest)
        elif word in ("overview", "events", *TABLES):
            self._again = line
            self._look(word, rest)
        else:
            close = closest(word, ("overview", "events", "filter", "sort", "help", "quit", *TABLES))
            hint = f"; did you mean {close}?" if close else "; help lists the commands"
            raise UsageError(f"there is no command {word}{hint}")

    def _set_sort(self, name: str) -> None:
        table = self._again.partition(" ")[0]
        if table not in TABLES:
            raise UsageError("ask for a table first, then sort it")
        before = self._sort.pop(table, None)
        if name:
            self._sort[table] = name
        try:
            self._do(self._again)
        except UsageError:
            self._sort.pop(table, None)
            if before:
                self._sort[table] = before
            raise

    def _look(self, what: str, rest: str) -> None:
        if what == "overview":
            self._tell_overview(self._seen(what, read_overview))
        elif what == "events":
            self._feed.start()
            self._tell_events()
        else:
            if rest and not rest.isdecimal():
                raise UsageError(f"{what} takes a number of rows, not {rest}")
            count = int(rest) if rest else _DEFAULT_ROWS
            query = TableQuery(
                what, count, self._sort.get(what), expression=self._expression, by_rate=True
            )
            self._tell_rows(what, self._seen(what, lambda session: read_rows(session, query)))

    def _seen(self, what: str, read: Callable[[Session], Any]) -> Any:
        """Rates are of two readings: before the first answer there is one more."""
        if what not in self._looked:
            read(self._session)
            self._wait(_FIRST_LOOK_S)
            self._looked.add(what)
        return read(self._session)

    def _tell_overview(self, seen: Overview) -> None:
        for name, record in seen.interfaces.items():
            received, sent = (rate_text(record[way], bits=False) for way in ("rx_rate", "tx_rate"))
            self._say(f"{name}: receiving {received}, sending {sent}.")
        if seen.connections is not None:
            rtt = cell_text(seen.rtt_median_us, "duration_us")
            worst = cell_text(seen.rtt_worst_us, "duration_us")
            self._say(
                f"{seen.connections:,} connections, round trip median {rtt}, worst {worst}, "
                f"{cell_text(seen.retransmits, 'count')} retransmits."
            )
        if seen.drops is not None:
            self._say(f"{seen.drops:,} packets dropped by the kernel.")
        if seen.coverage_percent is not None:
            self._say(f"Owners are known of {seen.coverage_percent:.2f} percent of the bytes.")
        for name, records in seen.top.items():
            busy = [record for record in records if record["rate"]]
            self._say(f"Busiest {name}:" if busy else f"No {name} are busy.")
            for record in busy:
                self._say(f"  {_sentence(record, columns_of(name, totals=False))}")
        self._tell_notes()

    def _tell_rows(self, table: str, seen: Rows) -> None:
        matching_of = "" if seen.matched == seen.length else f" that match, of {seen.length:,}"
        self._say(
            f"{table}: {len(seen.records):,} of {seen.matched:,}{matching_of}, by {seen.sorted_by}."
        )
        self._records = seen.records
        columns = columns_of(table, totals=False)
        for number, record in enumerate(seen.records, 1):
            self._say(f"{number}. {_sentence(record, columns)}")
        self._tell_notes()

    def _tell_events(self) -> None:
        self._wait(_FIRST_LOOK_S)
        events = matching(self._feed.newest(), self._expression)[: 2 * _DEFAULT_ROWS]
        self._records = [event.record() for event in events]
        if note := self._feed.note():
            self._say(note)
        self._say(
            f"events: the newest {len(self._records)}." if self._records else "No events yet."
        )
        for number, record in enumerate(self._records, 1):
            self._say(f"{number}. {event_line(record)}")

    def _tell_row(self, number: int) -> None:
        if not 1 <= number <= len(self._records):
            raise UsageError(f"there is no row {number}; the last table has {len(self._records)}")
        for name, value in self._records[number - 1].items():
            self._say(f"{name}: {'unknown' if value is None else field_text(name, value)}")

    def _tell_notes(self) -> None:
        for note in self._session.notes:
            self._say(f"Note: {note}")

    def _say(self, text: str) -> None:
        for line in text.splitlines():
            self._out.write(f"{escape_controls(line)}\n")


def _sentence(record: Record, columns: list[Column]) -> str:
    """What matters most, and is known, each value after its name."""
    summary = []
    for column in sorted(columns, key=lambda column: column.priority)[:_MOST_FIELDS]:
        if (value := record.get(column.name)) is not None:
            name = _SPOKEN.get(column.name, column.title.lower())
            summary.append(f"{name} {cell_text(value, column.kind)}")
    return ", ".join(summary)
