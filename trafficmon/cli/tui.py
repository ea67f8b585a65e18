# SPDX-License-Identifier: MIT
"""`trafficmon tui`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from trafficmon.cli.common import PinDir
from trafficmon.errors import UsageError, require_range

if TYPE_CHECKING:
    from trafficmon.pins import PinDirectory


def tui(
    interval: Annotated[
        float, typer.Option("--interval", help="Seconds from one reading to the next.")
    ] = 1.0,
    text: Annotated[
        bool,
        typer.Option("--text", help="Text and commands, for screen readers."),
    ] = False,
    web: Annotated[
        bool, typer.Option("--web", help="In a browser on this machine, with a token.")
    ] = False,
    port: Annotated[int, typer.Option("--port", help="Of --web; 0: any free port.")] = 0,
    pin_dir: PinDir = None,
) -> None:
    """The dashboard: who uses the network, now. Reads what attach has pinned."""
    from trafficmon.pins import PinDirectory, chosen

    require_range("--interval", interval, 0.1, 3600.0, "seconds")
    require_range("--port", port, 0, 65535)
    if text and web:
        raise UsageError("--text and --web exclude each other")
    if port and not web:
        raise UsageError("--port needs --web")
    pins = PinDirectory(chosen(pin_dir))
    if web:
        _serve(pins, interval, port)
    elif text or os.environ.get("TERM") == "dumb":
        _talk(pins)
    else:
        _draw(pins, interval)


def _draw(pins: PinDirectory, interval: float) -> None:
    from trafficmon.tui.app import TrafficApp
    from trafficmon.tui.readings.pinned import pinned
    from trafficmon.tui.settings import usual_path

    if not _somebody_sees_it():
        raise UsageError(
            "the dashboard needs a terminal; use 'trafficmon top flows', "
            "or 'trafficmon tui --text', which reads commands from standard input"
        )
    source, feed = pinned(pins)
    app = TrafficApp(source, feed, usual_path(), interval_s=interval, where=str(pins.root))
    app.run()
    if app.return_code:
        raise typer.Exit(app.return_code)


def _talk(pins: PinDirectory) -> None:
    from trafficmon.tui.plaintext import Conversation
    from trafficmon.tui.readings.pinned import pinned

    source, feed = pinned(pins)
    try:
        Conversation(source, feed, sys.stdin, sys.stdout).run()
    finally:
        feed.stop()


def _serve(pins: PinDirectory, interval: float, port: int) -> None:
    from trafficmon.tui.web import serve

    arguments = ["tui", "--pin-dir", str(pins.root), "--interval", f"{interval:g}"]
    serve([sys.executable, "-m", "trafficmon", *arguments], port)


def _somebody_sees_it() -> bool:
    """A terminal; or a browser, for which --web starts us with a driver of its own."""
    streams = sys.stdin, sys.stdout, sys.stderr  # Textual draws on the last of these
    return bool(os.environ.get("TEXTUAL_DRIVER")) or all(stream.isatty() for stream in streams)
