# SPDX-License-Identifier: MIT
"""`trafficmon log`."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer

from trafficmon.cli.common import PinDir
from trafficmon.cli.contained import Contained
from trafficmon.cli.say import complain
from trafficmon.errors import require_range

_SHORTEST_S, _LONGEST_S = 0.1, 86400.0
_MOST_BYTES, _MOST_KEPT = 1 << 62, 10_000
_TO_HELP = "csv or jsonl files in DIR, syslog, unix:PATH, or tcp:HOST:PORT."


def log(
    directory: Annotated[
        Path | None, typer.Option("--dir", help="Where the files go.", show_default=False)
    ] = None,
    interval: Annotated[
        float, typer.Option("--interval", help="Aggregation interval in seconds.")
    ] = 1.0,
    per_packet: Annotated[
        bool, typer.Option("--per-packet", help="A row for each packet instead.")
    ] = False,
    to: Annotated[str, typer.Option("--to", help=_TO_HELP)] = "csv",
    max_bytes: Annotated[
        int, typer.Option("--max-bytes", help="Rotate files that are longer.")
    ] = 100_000_000,
    keep: Annotated[int, typer.Option("--keep", help="Rotated files to keep.")] = 5,
    pin_dir: PinDir = None,
) -> None:
    """Log by user who exchanges how much with whom, until Ctrl-C; SIGHUP opens files anew."""
    from trafficmon.host import capabilities, signals
    from trafficmon.pins import PinDirectory, chosen
    from trafficmon.userlog.recorder import LogOptions, recorder
    from trafficmon.userlog.sinks.choose import sink_of

    require_range("--interval", interval, _SHORTEST_S, _LONGEST_S, "seconds")
    require_range("--max-bytes", max_bytes, 1, _MOST_BYTES)
    require_range("--keep", keep, 0, _MOST_KEPT)
    sink = sink_of(to, directory, max_bytes, keep)
    capabilities.require("log", capabilities.CAP_BPF, capabilities.CAP_NET_ADMIN)
    options, contained = LogOptions(interval, per_packet), Contained()
    with signals.deferred(besides=(signal.SIGHUP,)) as stop_if_interrupted:
        hangups = signals.Received(signal.SIGHUP)
        with recorder(PinDirectory(chosen(pin_dir)), sink, options, contained) as running:
            complain("logging; Ctrl-C ends it")
            running.run(
                stop_if_interrupted,
                lambda: sink.reopen() if hangups.take() else None,
                lambda line: complain(f"trafficmon: {line}"),
            )
