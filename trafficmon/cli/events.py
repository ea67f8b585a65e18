# SPDX-License-Identifier: MIT
"""`trafficmon events`."""

from __future__ import annotations

import select
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated

import typer

from trafficmon.cli.common import PinDir
from trafficmon.cli.contained import Contained
from trafficmon.cli.say import complain
from trafficmon.errors import UsageError, invalid_choice, require_range

if TYPE_CHECKING:
    from trafficmon.dns.collect import Collector
    from trafficmon.events.reader import EventReader
    from trafficmon.layout import EventKind
    from trafficmon.reader.live import Live
    from trafficmon.tables.table import Record

_LOOK_EVERY_S, _PATIENCE_S = 0.1, 3.0
_DEFAULT_TYPES = "conn,dns,packet,drop,alert"


class _EnoughError(Exception):
    """--count of them were shown."""


def events(
    types: Annotated[
        str, typer.Option("--type", help="Of these: conn, dns, packet, drop, alert.")
    ] = _DEFAULT_TYPES,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    count: Annotated[
        int | None, typer.Option("--count", help="End after so many.  [default: at Ctrl-C]")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", help="Of each kind, a second and CPU; 0: any number. [50000]"),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Also drops of packets that nobody misses.")
    ] = False,
    pin_dir: PinDir = None,
) -> None:
    """Show what happens as it happens: connections, DNS, handshakes, drops."""
    from trafficmon.pins import PinDirectory, chosen
    from trafficmon.reader.live import Live

    wanted = _types(types)
    require_range("--count", count, 1, 1 << 63)
    require_range("--limit", limit, 0, (1 << 32) - 1, "0: any number")
    with Live(PinDirectory(chosen(pin_dir))) as live:
        _Show(live, wanted, as_json=as_json, count=count, every=every).run(limit)


def _types(text: str) -> tuple[str, ...]:
    from trafficmon.events.tell import KINDS
    from trafficmon.suggest import closest

    asked = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in asked:
        if name not in KINDS:
            raise invalid_choice("--type", name, KINDS, closest(name, KINDS))
    if not asked:
        raise invalid_choice("--type", text, KINDS)
    if asked == ("alert",):
        raise UsageError(
            "invalid value for --type: 'alert' alone; alerts are made by 'trafficmon agent', which "
            "this version does not have"
        )
    return asked


class _Show:
    """One run of the command."""

    _batch: list[Record]

    def __init__(
        self,
        live: Live,
        types: tuple[str, ...],
        *,
        as_json: bool,
        count: int | None,
        every: bool,
    ) -> None:
        from trafficmon.events.tell import Teller, is_housekeeping

        self._live, self._types, self._left = live, types, count
        self._teller, self._batch, self._contained = Teller(live), [], Contained()
        self._is_left_out = (lambda _: False) if every else is_housekeeping
        self._write = _json_line if as_json else _text_line

    def run(self, limit: int | None) -> None:
        from trafficmon.events.reader import DEFAULT_LIMIT, event_reader
        from trafficmon.events.tell import KINDS
        from trafficmon.host import signals

        kinds: frozenset[EventKind] = frozenset().union(*(KINDS[name] for name in self._types))
        with ExitStack() as open_:
            per_second = DEFAULT_LIMIT if limit is None else limit
            reader = (
                open_.enter_context(event_reader(self._live, kinds, self._on_event, per_second))
                if kinds
                else None
            )
            collector = self._collector(open_) if "dns" in self._types else None
            self._loop(reader, collector, open_.enter_context(signals.deferred()))

    def _collector(self, open_: ExitStack) -> Collector | None:
        """None where DNS is not copied. Others read for a moment only, which is waited for."""
        from trafficmon.dns.collect import collector

        if not any(one.dns for one in self._live.interfaces):
            complain("note: no interface's DNS messages are copied (layer dns)")
            return None
        live = self._live
        arguments = live.pins, live.meta, live.attached_ifindexes()
        made = open_.enter_context(collector(*arguments, patience_s=_PATIENCE_S))
        made.collect()  # what has waited is not what happens now
        made.on_message = lambda seen: self._add(lambda: self._teller.dns(seen))
        return made

    def _loop(
        self,
        reader: EventReader | None,
        collector: Collector | None,
        stop_if_interrupted: Callable[[], None],
    ) -> None:
        waiting = [one.fd for one in (reader, collector) if one is not None]
        from trafficmon.reader.presence import Presence

        presence = Presence(self._live.pins)
        complain("listening; Ctrl-C ends it")
        try:
            while True:
                select.select(waiting, [], [], _LOOK_EVERY_S)
                if reader is not None:
                    reader.read()
                if collector is not None:
                    collector.collect(_LOOK_EVERY_S)
                self._write_batch()
                presence.require()
                stop_if_interrupted()
        except KeyboardInterrupt:
            self._read_the_rest(reader, collector)
        except _EnoughError:
            pass
        finally:
            _say_missed(reader)

    def _read_the_rest(self, reader: EventReader | None, collector: Collector | None) -> None:
        """What was delivered is shown, and no more is made."""
        if reader is not None:
            reader.stop()
            while reader.read():
                self._write_batch()
        if collector is not None:
            collector.collect(_LOOK_EVERY_S)
        with suppress(_EnoughError):
            self._write_batch()

    def _on_event(self, raw: bytes) -> None:
        self._add(lambda: self._teller.record(raw))

    def _add(self, make: Callable[[], Record]) -> None:
        """One that cannot be made into a record does not keep away those behind it."""
        self._contained.run(lambda: self._append(make()), "decoding an event")

    def _append(self, record: Record) -> None:
        if not self._is_left_out(record):
            self._batch.append(record)

    def _write_batch(self) -> None:
        """Two ring buffers, and one of them written by all CPUs: by time they are one story."""
        batch, self._batch = sorted(self._batch, key=itemgetter("time")), []
        for record in batch[: self._left]:
            self._write(record)
        sys.stdout.flush()
        if self._left is not None:
            self._left -= len(batch)
            if self._left <= 0:
                raise _EnoughError


def _say_missed(reader: EventReader | None) -> None:
    missed = reader.missed() if reader is not None else {}
    if any(missed.values()):
        complain(
            f"note: {missed['lost']:,} events were lost (they came faster than they were read), "
            f"{missed['limited']:,} were beyond --limit"
        )


def _json_line(record: Record) -> None:
    from trafficmon.render.plain import to_json

    print(to_json(record))


def _text_line(record: Record) -> None:
    from trafficmon.render.eventline import event_line

    print(event_line(record))
