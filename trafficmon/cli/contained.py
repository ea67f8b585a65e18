# SPDX-License-Identifier: MIT
"""Commands that go on: an error that nobody expected costs one round of them, not the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from trafficmon.cli.say import complain
from trafficmon.errors import TrafficmonError

if TYPE_CHECKING:
    from trafficmon.host.error_log import ErrorLog


class Contained:
    """Runs rounds of a command; each failure is told once on standard error, in one line."""

    def __init__(self) -> None:
        self._errors: ErrorLog | None = None
        self._told: set[str] = set()

    def run(self, work: Callable[[], object], doing: str) -> str | None:
        """``work``; returns what was wrong.

        TrafficmonError and OSError go on to whoever called: they end a command.
        """
        try:
            work()
        except (TrafficmonError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the next round comes
            return self._tell(error, doing)
        return None

    def _tell(self, error: Exception, doing: str) -> str:
        from trafficmon.host.error_log import ErrorLog
        from trafficmon.render.safe import escape_controls

        self._errors = self._errors or ErrorLog()
        told = escape_controls(self._errors.note(error, doing))
        if told not in self._told:
            self._told.add(told)
            complain(f"trafficmon: {told}")
        return told
