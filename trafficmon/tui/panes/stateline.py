# SPDX-License-Identifier: MIT
"""The first line: what is shown, by which filter, and what is to be known about it."""

from __future__ import annotations

from dataclasses import dataclass

from rich.text import Text
from textual.widgets import Static

from trafficmon.render.safe import escape_controls


@dataclass(frozen=True)
class State:
    """``summary``: the pane's; ``notes``: the counters'."""

    clock: str
    is_frozen: bool
    filter: str | None
    summary: str
    notes: list[str]


class StateLine(Static):
    """Shows a State."""

    def __init__(self) -> None:
        super().__init__(id="state")

    def show(self, state: State) -> None:
        """All in one line; what does not fit is cut at its end."""
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(" trafficmon ", style="bold reverse")
        text.append(f" {state.clock}  ")
        if state.is_frozen:
            text.append(" FROZEN ", style="bold yellow reverse")
        if state.filter is not None:
            text.append(f" filter: {escape_controls(state.filter)} ", style="bold cyan")
        text.append(f" {escape_controls(state.summary)}")
        for note in state.notes:
            text.append(f"  {escape_controls(note)}", style="yellow")
        self.update(text, layout=False)  # one line, always

    def show_place(self, where: str) -> None:
        """While there is nothing to show: where it was looked for."""
        self.update(Text(f" trafficmon {escape_controls(where)} ", style="reverse"))
