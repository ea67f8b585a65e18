# SPDX-License-Identifier: MIT
"""What keys switch for the whole dashboard, and what of that is remembered."""

from __future__ import annotations

from pathlib import Path

from trafficmon.tui.contained import ContainedApp
from trafficmon.tui.panes.pane import Look
from trafficmon.tui.settings import Settings

_SPANS_S = (60, 300, 3600)  # that a graph shows


class Switches(ContainedApp):
    """The part of the application that has to do with no table; which keys, that says."""

    def __init__(self, settings_path: Path) -> None:
        super().__init__()
        self._settings_path, self._settings = settings_path, Settings.load(settings_path)
        self._span_s = _SPANS_S[0]
        self._is_frozen = False

    @property
    def look(self) -> Look:
        """How numbers are shown now."""
        return Look(self._settings.bits, self._settings.totals, self._span_s)

    def action_look_again(self) -> None:
        """Read at once, also when frozen: the request has changed."""
        raise NotImplementedError

    def action_freeze(self) -> None:
        """Stand still, or go on."""
        self._is_frozen = not self._is_frozen
        self.action_look_again()

    def action_totals(self) -> None:
        """Bytes since attach, or a second."""
        self._settings.totals = not self._settings.totals
        self._changed()

    def action_bits(self) -> None:
        """Rates in bits, or bytes."""
        self._settings.bits = not self._settings.bits
        self._changed()

    def action_span(self) -> None:
        """How long a time the graphs show."""
        self._span_s = _SPANS_S[(_SPANS_S.index(self._span_s) + 1) % len(_SPANS_S)]
        self._changed()

    def action_next_theme(self) -> None:
        """Another set of colours."""
        names = sorted(self.available_themes)
        self.theme = names[(names.index(self.theme) + 1) % len(names)]
        self._settings.theme = self.theme
        self._changed()

    def _changed(self) -> None:
        self._save()
        self.action_look_again()

    def _save(self) -> None:
        self._settings.save(self._settings_path)
