# SPDX-License-Identifier: MIT
"""Standard input, output and error: also where they are closed, full, or of another encoding."""

from __future__ import annotations

import codecs
import io
import os
import sys
from contextlib import suppress

from trafficmon.errors import TrafficmonError

_ESCAPED = "trafficmon-escaped"


def prepare() -> None:
    """Before anything is opened: so that no map gets the number of a standard stream.

    What is written to a closed standard output fails, as for any program. Messages are different: a
    command that has done its work does not fail for want of a place to say so.
    """
    for fd, mode in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, mode)  # the lowest number that is free, which is this one
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False))
    if sys.stdout is None:
        raw = io.FileIO(1, "w", closefd=False)
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8")
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(_Messages(2, "w", closefd=False)),
        encoding=sys.stderr.encoding if sys.stderr is not None else "utf-8",
        line_buffering=True,
    )


class _Messages(io.FileIO):
    """Standard error; what cannot be written is nobody's to miss."""

    def write(self, data: object) -> int:
        """All of it, as far as the caller knows."""
        view = memoryview(data)  # type: ignore[arg-type]
        with suppress(OSError):
            super().write(view)
        return view.nbytes


def escape_what_cannot_be_written() -> None:
    """A "…" must not fail where the locale lacks it, nor a name whose bytes are no UTF-8."""
    codecs.register_error(_ESCAPED, _escaped)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ESCAPED)
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")


def _escaped(error: UnicodeError) -> tuple[str, int]:
    from trafficmon.render.safe import escape_bytes

    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = escape_bytes(error.object[error.start : error.end])
    return text.encode("ascii", "backslashreplace").decode("ascii"), error.end


def flush_output() -> None:
    """TrafficmonError where what was printed cannot be written; BrokenPipeError as it is."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise output_error(error) from error


def output_error(error: OSError) -> TrafficmonError:
    """What to say of it."""
    reason = error.strerror or str(error)
    return TrafficmonError(f"cannot write to standard output: {reason}")
