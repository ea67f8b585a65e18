# SPDX-License-Identifier: MIT
"""Programs that run for long: an unexpected error costs one round or one event, not the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

from trafficmon.errors import TrafficmonError

if TYPE_CHECKING:
    from trafficmon.host.error_log import ErrorLog

T = TypeVar("T")
R = TypeVar("R")


class Contained:
    """Notes unexpected errors: each with its traceback in the error log, reported once in a line.

    ``report`` gets that line; it may hold control characters of names.
    """

    def __init__(self, report: Callable[[str], None] | None = None) -> None:
        self._report = report
        self._errors: ErrorLog | None = None
        self._reported: set[str] = set()
        self.count = 0
        """Errors noted so far."""
        self.latest = ""
        """What was reported last; empty while there was no error."""

    def run(self, work: Callable[[], object], doing: str) -> str | None:
        """Do ``work``; return what was reported where it failed.

        TrafficmonError and OSError are raised: they end a command.
        """
        try:
            work()
        except (TrafficmonError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the next round comes
            return self.note(error, doing)
        return None

    def each(self, make: Callable[[T], R], items: Iterable[T], doing: str) -> list[R]:
        """``make`` of each item; one that fails is left out and noted, whatever the error."""
        made = []
        for item in items:
            try:
                made.append(make(item))
            except Exception as error:  # noqa: BLE001 - whatever it is, the next item comes
                self.note(error, doing)
        return made

    def note(self, error: Exception, doing: str) -> str:
        """Count and report ``error``. ``doing``: what failed, such as "decoding an event"."""
        from trafficmon.host.error_log import ErrorLog  # noqa: PLC0415 - only after an error

        self._errors = self._errors or ErrorLog()
        self.count += 1
        self.latest = self._errors.note(error, doing)
        if self._report is not None and self.latest not in self._reported:
            self._reported.add(self.latest)
            self._report(self.latest)
        return self.latest
