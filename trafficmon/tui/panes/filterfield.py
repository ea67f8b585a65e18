# SPDX-License-Identifier: MIT
"""The field for an expression, which offers the filter language's next word."""

from __future__ import annotations

from textual.suggester import Suggester
from textual.widgets import Input

from trafficmon.filter.completion import complete
from trafficmon.tui.contained import Contained


class _Words(Suggester):
    """Of all words that may stand there the first."""

    def __init__(self) -> None:
        super().__init__(use_cache=False)

    async def get_suggestion(self, value: str) -> str | None:
        """``value`` with the word that has been begun made whole."""
        words = complete(value, len(value))
        begun = value.rpartition(" ")[2]
        for word in words:
            if begun and word.startswith(begun.lower()):
                return value[: len(value) - len(begun)] + word
        return None


class FilterField(Contained, Input):
    """Hidden until it is used."""

    def __init__(self) -> None:
        super().__init__(
            placeholder="host 10.0.0.1 and port 443, user alice, …  (Enter applies, Esc clears)",
            id="filter",
            suggester=_Words(),
        )

    def open(self) -> None:
        """Show it, and give it the keys at once: what is typed next is meant for it.

        The key that opens it comes here too while it is open; then it is a character as others are.
        """
        if self.has_focus:
            self.insert_text_at_cursor("/")
            return
        self.display = True
        self.screen.set_focus(self)

    def close(self) -> None:
        """Away with it, and what was typed."""
        self.value, self.display = "", False
