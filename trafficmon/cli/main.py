# SPDX-License-Identifier: MIT
"""The program: its commands, and what becomes of errors.

Commands import what they need when they run: `--version` and `--help` stay fast.
"""

from __future__ import annotations

import os
import re
import sys
from typing import Annotated, NoReturn

# numpy's linear algebra would start a thread for each CPU; nothing here multiplies matrices.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import typer

from trafficmon import __version__
from trafficmon.cli import (
    attach,
    capture,
    detach,
    doctor,
    events,
    log,
    record,
    short,
    status,
    streams,
    top,
    tui,
)
from trafficmon.cli.imports import missing_package
from trafficmon.cli.say import complain, say
from trafficmon.errors import TrafficmonError, VerifierError

_INTERRUPTED = 130  # as shells say it

app = typer.Typer(
    name="trafficmon",
    help="Who uses this machine's network, counted in the kernel by eBPF.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("attach")(attach.attach)
app.command("detach")(detach.detach)
app.command("status")(status.status)
app.command("doctor")(doctor.doctor)
app.command("top")(top.top)
app.command("events")(events.events)
app.command("capture")(capture.capture)
app.command("log")(log.log)
app.command("tui")(tui.tui)
app.command("record")(record.record)


class _Debug:
    """Whether --debug was given: for errors after a command has ended."""

    is_on = False


def _show_version(requested: bool) -> None:
    if requested:
        short.begin()
        say(f"trafficmon {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="The version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Tracebacks, and what libbpf and the verifier say.")
    ] = False,
) -> None:
    """Options of all commands."""
    del version
    _Debug.is_on = debug
    if debug:
        import logging

        logging.basicConfig(level=logging.DEBUG - 5, format="%(name)s: %(message)s")


def main() -> NoReturn:
    """Entry point of the `trafficmon` script."""
    streams.escape_what_cannot_be_written()
    sys.exit(run())


def run() -> int:
    """Run the command line; the exit code of CONTRACT (0 done, 1 failed, 2 usage, 3, 4, 5)."""
    try:
        result = app(standalone_mode=False)
        sys.stdout.flush()
    except Exception as error:  # noqa: BLE001 - the one place where errors become exit codes
        return _report(error)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # click makes a 1 of it
            return _report(end.__context__)
        raise
    return result if isinstance(result, int) else 0


def _report(error: Exception) -> int:
    """Say what was wrong; the exit code for it. With --debug the error itself is raised."""
    if isinstance(error, typer.Abort):
        return _INTERRUPTED
    if isinstance(error, BrokenPipeError | streams.OutputError):
        streams.discard_output()
    if isinstance(error, BrokenPipeError):  # `trafficmon top … | head`: the reader has closed it
        return 0
    if isinstance(error, TrafficmonError | OSError):
        complain(f"trafficmon: {error}")
        if _Debug.is_on:
            if isinstance(error, VerifierError):
                print(error.log, file=sys.stderr)
            raise error
        return getattr(error, "exit_code", 1)
    if missing := missing_package(error):
        complain(f"trafficmon: {missing}")
        if _Debug.is_on:
            raise error
        return missing.exit_code
    return _usage(error)


def _usage(error: Exception) -> int:
    """The command line's own complaints carry how to show themselves; all else is a bug of ours."""
    show, code = getattr(error, "format_message", None), getattr(error, "exit_code", None)
    if show is not None and isinstance(code, int):
        if message := show():
            complain(f"trafficmon: {_as_ours(message)}")
            complain("Try 'trafficmon --help', or --help after a command.")
        return code
    if _Debug.is_on:
        raise error
    complain(
        f"trafficmon: internal error ({type(error).__name__}: {error}); "
        "please report it with the output of the same command with 'trafficmon --debug …'"
    )
    return 1


def _as_ours(message: str) -> str:
    """click's words for a wrong value in the form of all other messages."""
    names = r"'([^']+)'(?: / '[^']+')*(?: \(env var: '[^']*'\))?"
    found = re.match(rf"Invalid value for {names}: (.*)", message, re.DOTALL)
    if found is None:
        return message
    return f"invalid value for {found[1]}: {found[2].rstrip('.')}"
