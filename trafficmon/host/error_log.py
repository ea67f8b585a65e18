# SPDX-License-Identifier: MIT
"""Unexpected errors of long-running commands: each is kept in a file with its traceback.

Such a command says in a line what failed and continues. A traceback on the terminal would not help
its user, and in the dashboard it would be drawn into the screen.
"""

from __future__ import annotations

import os
import time
import traceback
from pathlib import Path

from trafficmon import __version__
from trafficmon.host.own_files import append_own

_MOST_BYTES = 1 << 20
_MOST_CHARACTERS = 200
_MOST_KNOWN = 100


def usual_path() -> Path:
    """Below $XDG_STATE_HOME."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "trafficmon" / "errors.log"


class ErrorLog:
    """Of one run of a command. An error that comes again and again is written once."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._written: set[str] = set()

    def note(self, error: BaseException, doing: str) -> str:
        """Log ``error`` and return the message for the user: one line that names the file.

        ``doing``: what failed, such as "reading flows".
        """
        try:
            path = self._path or usual_path()
            self._write(path, "".join(traceback.format_exception(error)), doing)
            where = f"details in {path}"
        except (OSError, RuntimeError) as failure:  # RuntimeError: no home directory
            where = f"details could not be written: {failure}"
        text = " ".join(str(error).split())[:_MOST_CHARACTERS]
        name = type(error).__name__
        return f"internal error while {doing} ({f'{name}: {text}' if text else name}); {where}"

    def _write(self, path: Path, text: str, doing: str) -> None:
        if text in self._written or len(self._written) >= _MOST_KNOWN:
            return
        moment = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        entry = f"{moment} trafficmon {__version__}, while {doing}:\n{text}\n"
        append_own(path, entry.encode(errors="backslashreplace"), _MOST_BYTES)
        self._written.add(text)
