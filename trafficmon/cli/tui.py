# SPDX-License-Identifier: MIT
"""`trafficmon tui`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from trafficmon.cli.common import At, FromFile, PinDir, require_recording
from trafficmon.errors import UsageError, require_range

if TYPE_CHECKING:
    from pathlib import Path

    from trafficmon.pins import PinDirectory
    from trafficmon.tui.app import TrafficApp


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
    from_file: FromFile = None,
    at: At = None,
    pin_dir: PinDir = None,
) -> None:
    """The dashboard: who uses the network, now, or in a recording."""
    from trafficmon.pins import PinDirectory, chosen

    require_range("--interval", interval, 0.1, 3600.0, "seconds")
    require_range("--port", port, 0, 65535)
    if text and web:
        raise UsageError("--text and --web exclude each other")
    if port and not web:
        raise UsageError("--port needs --web")
    require_recording(at, from_file)
    if web:
        _serve(from_file, at, chosen(pin_dir), interval, port)
        return
    is_text = text or os.environ.get("TERM") == "dumb"
    if from_file is not None:
        _show_recording(from_file, at, is_text=is_text)
    elif is_text:
        _talk(PinDirectory(chosen(pin_dir)))
    else:
        _draw(PinDirectory(chosen(pin_dir)), interval)


def _draw(pins: PinDirectory, interval: float) -> None:
    from trafficmon.tui.app import TrafficApp
    from trafficmon.tui.readings.pinned import pinned
    from trafficmon.tui.settings import usual_path

    _require_terminal()
    source, feed = pinned(pins)
    _run(TrafficApp(source, feed, usual_path(), interval_s=interval, where=str(pins.root)))


def _require_terminal() -> None:
    """UsageError where there is none. After the imports: a missing package is reported first."""
    if not _somebody_sees_it():
        raise UsageError(
            "the dashboard needs a terminal; use 'trafficmon top flows', "
            "or 'trafficmon tui --text', which reads commands from standard input"
        )


def _run(app: TrafficApp) -> None:
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


def _show_recording(path: Path, at: str | None, *, is_text: bool) -> None:
    from trafficmon.sources.recorded import opened_at
    from trafficmon.tui.settings import usual_path

    if is_text:
        from trafficmon.tui.recorded_plaintext import RecordedConversation

        RecordedConversation(opened_at(path, at), path, sys.stdin, sys.stdout).run()
        return
    from trafficmon.tui.recorded import RecordedApp

    _require_terminal()
    source = opened_at(path, at)
    _run(RecordedApp(source, path, usual_path()))


def _serve(
    from_file: Path | None, at: str | None, pin_dir: Path, interval: float, port: int
) -> None:
    from trafficmon.tui.web import serve

    arguments = ["tui", "--pin-dir", str(pin_dir), "--interval", f"{interval:g}"]
    if from_file is not None:
        from trafficmon.sources.recorded import opened_at

        opened_at(from_file, at).close()  # what is wrong with it is said here
        arguments += ["--from", str(from_file), *(["--at", at] if at is not None else [])]
    serve([sys.executable, "-m", "trafficmon", *arguments], port)


def _somebody_sees_it() -> bool:
    """A terminal; or a browser, for which --web starts us with a driver of its own."""
    streams = sys.stdin, sys.stdout, sys.stderr  # Textual draws on the last of these
    return bool(os.environ.get("TEXTUAL_DRIVER")) or all(stream.isatty() for stream in streams)
