# SPDX-License-Identifier: MIT
"""One row in full, on a screen above the others."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from trafficmon.render.plain import to_json, to_text
from trafficmon.render.safe import escape_controls
from trafficmon.tables.table import Record


class DetailScreen(ModalScreen[None]):
    """Every field of a record."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "dismiss", "Back"),
        Binding("c", "copy", "Copy as JSON"),
    ]

    def __init__(self, title: str, record: Record) -> None:
        super().__init__()
        self._title, self._record = title, record

    def compose(self) -> ComposeResult:
        """Name and value, line by line."""
        text = Text(f"{self._title}\n\n", style="bold")
        width = max(map(len, self._record))
        for name, value in self._record.items():
            text.append(f"{name:<{width}}  ", style="not bold dim")
            shown = "-" if value is None else escape_controls(to_text(value))
            text.append(f"{shown}\n", style="not bold")
        with VerticalScroll(id="detail"):
            yield Static(text)

    def action_copy(self) -> None:
        """To the terminal's clipboard."""
        self.app.copy_to_clipboard(to_json(self._record))
        self.notify("copied")
