# SPDX-License-Identifier: MIT
"""How often to read: as requested, however large the tables are, but never all the time."""

from __future__ import annotations

import time

_REST = 4  # times as long as a reading took nothing is read


class Pace:
    """One reading at a time, and a rest after it."""

    def __init__(self) -> None:
        self._is_reading = self._is_asked_again = False
        self._rest_until = self._begun = 0.0

    def begin(self, *, at_once: bool) -> bool:
        """Whether to read now. A request that has to wait comes next."""
        if not at_once and time.monotonic() < self._rest_until:
            return False
        if self._is_reading:
            self._is_asked_again |= at_once
            return False
        self._is_reading, self._begun = True, time.monotonic()
        return True

    def reading_for_s(self) -> float:
        """How long the reading that is under way has taken; 0 where there is none."""
        return time.monotonic() - self._begun if self._is_reading else 0.0

    def end(self, took_s: float, *, is_first: bool) -> bool:
        """Returns whether to read again at once. A pane's first reading loads what it needs."""
        self._is_reading = False
        self._rest_until = time.monotonic() + (0 if is_first else _REST * took_s)
        again, self._is_asked_again = self._is_asked_again, False
        return again
