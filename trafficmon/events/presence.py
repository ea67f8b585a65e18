# SPDX-License-Identifier: MIT
"""Whether the attachment whose maps a long-running reader has open is still there."""

from __future__ import annotations

import time

from trafficmon.errors import NotAttachedError
from trafficmon.pins import PinDirectory

_LOOK_EVERY_S = 1.0


class Presence:
    """Of an attachment: its maps stay readable through open descriptors after detach."""

    def __init__(self, pins: PinDirectory) -> None:
        self._pin = pins.map("meta")
        self._known, self._looked_at = self._identity(), time.monotonic()

    def require(self) -> None:
        """NotAttachedError once it was detached, or replaced by another; looks once a second."""
        if time.monotonic() - self._looked_at < _LOOK_EVERY_S:
            return
        self._looked_at = time.monotonic()
        if self._identity() != self._known:
            raise NotAttachedError(
                "trafficmon was detached; run 'trafficmon attach' and start again"
            )

    def _identity(self) -> tuple[int, int] | None:
        try:
            facts = self._pin.stat()
        except FileNotFoundError:
            return None
        return facts.st_dev, facts.st_ino
