# SPDX-License-Identifier: MIT
"""What the dashboard asks of each of its panes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from trafficmon.filter.nodes import Expression
from trafficmon.tui.readings.session import Session

Question = Callable[[Session], Any]
"""Runs in the reading thread; what it returns is shown."""


@dataclass(frozen=True)
class TableOptions:
    """How to show a table. ``sort`` None: by rate."""

    sort: str | None
    reverse: bool
    expression: Expression | None


@dataclass(frozen=True)
class Look:
    """How numbers are shown, and of how many seconds graphs are."""

    bits: bool
    totals: bool
    span_s: int


@runtime_checkable
class Pane(Protocol):
    """A tab, or a screen above the tabs."""

    def question(self, options: TableOptions) -> Question:
        """What to read for it."""

    def show(self, seen: Any, look: Look) -> str:
        """Show the answer to its question. Returns the summary for the line of state."""

    def say(self, message: str) -> None:
        """Show why there is nothing to show."""
