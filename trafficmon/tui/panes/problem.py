# SPDX-License-Identifier: MIT
"""The screen for when there is nothing to read: what is wrong, and what to do."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import Static

from trafficmon.errors import LayoutError, MissingPrivilegeError, NotAttachedError, TrafficmonError
from trafficmon.render.safe import escape_controls

_REMEDIES: dict[type[TrafficmonError], str] = {
    NotAttachedError: "In another terminal: sudo trafficmon attach --iface eth0",
    MissingPrivilegeError: "Run it as root, or as a member of the group given to attach --group",
    LayoutError: "sudo trafficmon attach --replace takes over; counters restart",
}


def remedy(error: Exception) -> str:
    """What to do; empty where the message itself says all there is to say."""
    return next((text for kind, text in _REMEDIES.items() if isinstance(error, kind)), "")


class Problem(Static):
    """Hidden while all is well."""

    def __init__(self) -> None:
        super().__init__(id="problem")

    def show(self, error: Exception, next_step: str) -> None:
        """It goes by itself when a reading succeeds; ``next_step``: what makes another one."""
        summary = Text(f"{escape_controls(str(error))}\n\n", style="bold")
        summary.append(f"{text}\n\n" if (text := remedy(error)) else "", style="not bold green")
        summary.append(f"{next_step} q quits.", style="not bold dim")
        self.display = True
        self.update(summary)
