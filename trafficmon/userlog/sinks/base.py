# SPDX-License-Identifier: MIT
"""The protocol of a place that rows go to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from trafficmon.userlog.row import Row


@dataclass(frozen=True)
class Totals:
    """What a user's rows add up to, and when the last of them was written (ns since 1970)."""

    total_in: int = 0
    total_out: int = 0
    at_ns: int = 0


class Sink(Protocol):
    """``open`` once, ``write`` again and again, ``close`` at the end; ``reopen`` at SIGHUP."""

    def open(self) -> dict[int, Totals]:
        """Get ready. What is there already, by uid: a place that forgets has nothing."""

    failure: OSError | None
    """Why the last rows could not be written; None when they were."""

    def write(self, rows: Sequence[Row]) -> list[Row]:
        """Write ``rows``, which are of one user and interface.

        Returns the last of them, if any, that could not be written: after one that is missing
        none was written.
        """

    def reopen(self) -> None:
        """Let go of files and connections, and take hold of them again."""

    def close(self) -> None:
        """Nothing more will come."""
