# SPDX-License-Identifier: MIT
"""`trafficmon log`."""

from __future__ import annotations

import select
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trafficmon.cli.common import PinDir
from trafficmon.cli.contained import Contained
from trafficmon.cli.say import complain
from trafficmon.errors import UsageError, invalid_choice, require_range

if TYPE_CHECKING:
    from collections.abc import Callable

    from trafficmon.userlog.collector import Collector
    from trafficmon.userlog.sinks.base import Sink

_LOOK_EVERY_S = 0.1
_SHORTEST_S, _LONGEST_S = 0.1, 86400.0
_MOST_BYTES, _MOST_KEPT = 1 << 62, 10_000
_TO_HELP = "csv or jsonl files in DIR, syslog, unix:PATH, or tcp:HOST:PORT."


def log(
    directory: Annotated[
        Path | None, typer.Option("--dir", help="Where the files go.", show_default=False)
    ] = None,
    interval: Annotated[
        float, typer.Option("--interval", help="Seconds that a row stands for.")
    ] = 1.0,
    per_packet: Annotated[
        bool, typer.Option("--per-packet", help="A row for each packet instead.")
    ] = False,
    to: Annotated[str, typer.Option("--to", help=_TO_HELP)] = "csv",
    max_bytes: Annotated[
        int, typer.Option("--max-bytes", help="A file that is longer is rotated.")
    ] = 100_000_000,
    keep: Annotated[int, typer.Option("--keep", help="Rotated files that stay.")] = 5,
    pin_dir: PinDir = None,
) -> None:
    """Log by user who exchanges how much with whom, until Ctrl-C; SIGHUP opens files anew."""
    from trafficmon.host import capabilities, signals
    from trafficmon.pins import PinDirectory, chosen
    from trafficmon.reader.presence import Presence
    from trafficmon.userlog.collector import collector

    require_range("--interval", interval, _SHORTEST_S, _LONGEST_S, "seconds")
    require_range("--max-bytes", max_bytes, 1, _MOST_BYTES)
    require_range("--keep", keep, 0, _MOST_KEPT)
    sink = _sink(to, directory, max_bytes, keep)
    capabilities.require("log", capabilities.CAP_BPF, capabilities.CAP_NET_ADMIN)
    pins = PinDirectory(chosen(pin_dir))
    hung_up = _Flag(signal.SIGHUP)
    with signals.deferred(besides=(signal.SIGHUP,)) as stop_if_interrupted:
        hung_up.listen()
        with collector(pins, sink, per_packet=per_packet) as one:
            presence = Presence(pins)

            def go_on() -> None:
                presence.require()
                stop_if_interrupted()

            complain("logging; Ctrl-C ends it")
            _Loop(one, sink, interval, per_packet=per_packet).run(go_on, hung_up)


def _sink(to: str, directory: Path | None, max_bytes: int, keep: int) -> Sink:
    from trafficmon.userlog.sinks.files import FileSink
    from trafficmon.userlog.sinks.forms import Csv, JsonLines
    from trafficmon.userlog.sinks.stream import SocketSink, SyslogSink

    if to in ("csv", "jsonl"):
        if directory is None:
            raise UsageError("--dir DIR says where the files go; or --to syslog, unix:…, tcp:…")
        return FileSink(directory, Csv() if to == "csv" else JsonLines(), max_bytes, keep)
    if directory is not None:
        raise UsageError(f"--dir is for files; with --to {to} leave it out")
    kind, _, place = to.partition(":")
    if to == "syslog":
        return SyslogSink()
    if kind == "unix" and place:
        return SocketSink.unix(place)
    host, _, port = place.rpartition(":")
    if kind == "tcp" and host and port.isdecimal() and int(port) < 1 << 16:
        return SocketSink.tcp(host.strip("[]"), int(port))
    choices = ("csv", "jsonl", "syslog", "unix:PATH", "tcp:HOST:PORT")
    raise invalid_choice("--to", to, choices)


class _Flag:
    """Whether a signal has come since it was last asked."""

    def __init__(self, number: signal.Signals) -> None:
        self._number, self._came = number, False

    def listen(self) -> None:
        """From now on."""
        signal.signal(self._number, self._note)

    def _note(self, number: int, frame: object) -> None:
        del number, frame
        self._came = True

    def take(self) -> bool:
        """True once for each time."""
        came, self._came = self._came, False
        return came


class _Loop:
    """Until Ctrl-C."""

    def __init__(self, one: Collector, sink: Sink, interval_s: float, *, per_packet: bool) -> None:
        self._one, self._sink = one, sink
        self._interval_s, self._per_packet = interval_s, per_packet
        self._complained: str | None = None
        self._contained = Contained()

    def run(self, go_on: Callable[[], None], hung_up: _Flag) -> None:
        self._take()
        due = time.monotonic() + self._interval_s
        try:
            while True:
                waiting = min(_LOOK_EVERY_S, max(0.0, due - time.monotonic()))
                ready, _, _ = select.select([self._one.fd], [], [], waiting)
                if hung_up.take():
                    self._sink.reopen()
                if ready and self._per_packet:
                    self._contained.run(self._take_packets, "writing rows of packets")
                if time.monotonic() >= due:
                    due += self._interval_s
                    self._contained.run(self._take, "writing rows")
                go_on()
        except KeyboardInterrupt:
            self._take()

    def _take_packets(self) -> None:
        self._one.take_packets(time.time_ns())

    def _take(self) -> None:
        journal = self._one.journal
        self._one.take(time.time_ns())
        failure, journal.failure = journal.failure, None
        said = None if failure is None else _reason(failure)
        if said and said != self._complained:
            complain(
                f"trafficmon: rows cannot be written ({said}); {journal.lost:,} are "
                "lost so far, their bytes will be in later rows"
            )
        elif self._complained and not said:
            complain("trafficmon: rows are being written again")
        self._complained = said


def _reason(failure: OSError) -> str:
    """With the name of the file, where it is about one."""
    told = failure.strerror or str(failure)
    return told if failure.filename is None else f"{failure.filename}: {told}"
