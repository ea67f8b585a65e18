# SPDX-License-Identifier: MIT
"""Whether what a reader that goes on for long has opened is what is attached still."""

from __future__ import annotations

import time

from trafficmon.errors import NotAttachedError
from trafficmon.pins import PinDirectory

_LOOK_EVERY_S = 1.0


class Presence:
    """Of the maps of a pin directory: open maps live on when their pins have gone."""

    def __init__(self, pins: PinDirectory) -> None:
        self._pin = pins.map("meta")
        self._known, self._looked_at = self._identity(), time.monotonic()

    def require(self) -> None:
        """NotAttachedError when it has been taken out, or attached anew; looks once a second."""
        if time.monotonic() - self._looked_at < _LOOK_EVERY_S:
            return
        self._looked_at = time.monotonic()
        if self._identity() != self._known:
            raise NotAttachedError(
                "what was attached has been taken out; start again after 'trafficmon attach'"
            )

    def _identity(self) -> tuple[int, int] | None:
        try:
            facts = self._pin.stat()
        except FileNotFoundError:
            return None
        return facts.st_dev, facts.st_ino
