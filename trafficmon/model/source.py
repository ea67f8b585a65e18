# SPDX-License-Identifier: MIT
"""Where samples come from: pinned maps, a recording, a test."""

from __future__ import annotations

from typing import Protocol, Self

from trafficmon.model.parts import Part
from trafficmon.model.sample import Sample


class Source(Protocol):
    """Gives samples; close() or the ``with`` block lets go of what it reads from.

    Used by one thread at a time.
    """

    @property
    def description(self) -> str:
        """What is read, for people."""
        ...

    def read(self, parts: Part) -> Sample:
        """The newest sample, with at least ``parts``. TrafficmonError where there is none."""
        ...

    def close(self) -> None:
        """No more samples."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...
