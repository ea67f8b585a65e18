# SPDX-License-Identifier: MIT
"""Standard input, output and error: also where they are closed, full, or of another encoding."""

from __future__ import annotations

import codecs
import io
import os
import sys
from contextlib import suppress
from typing import TextIO

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
    sys.stdout = _rebuilt(sys.stdout, _Output(1, "w", closefd=False))
    sys.stderr = _rebuilt(sys.stderr, _Messages(2, "w", closefd=False), by_line=True)


def _rebuilt(before: TextIO | None, raw: io.FileIO, *, by_line: bool = False) -> TextIO:
    """``before``, None where it was closed, on top of ``raw``."""
    if not isinstance(before, io.TextIOWrapper):
        return io.TextIOWrapper(io.BufferedWriter(raw), "utf-8", line_buffering=by_line)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=before.encoding,
        line_buffering=by_line or before.line_buffering,
        write_through=before.write_through,
    )


class OutputError(OSError):
    """Standard output cannot be written."""

    def __str__(self) -> str:
        return f"cannot write to standard output: {self.strerror}"


def discard_output() -> None:
    """What standard output still holds cannot be written: Python would try again when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Output(io.FileIO):
    """Standard output: its failures have a type of their own."""

    def write(self, data: object) -> int:
        """Raises BrokenPipeError where the reader has closed it, else OutputError."""
        try:
            return super().write(data)  # type: ignore[arg-type]
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(error.errno, error.strerror) from error


class _Messages(io.FileIO):
    """Standard error: a message that cannot be written is dropped."""

    def write(self, data: object) -> int:
        """All of it, as far as the caller knows."""
        view = memoryview(data)  # type: ignore[arg-type]
        with suppress(OSError):
            super().write(view)
        return view.nbytes


def escape_what_cannot_be_written() -> None:
    """A "…" must not fail where the locale lacks it, nor a name that is not UTF-8."""
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
