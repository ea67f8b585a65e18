# SPDX-License-Identifier: MIT
"""The source that reads what attach has pinned."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from trafficmon.model.parts import Part
from trafficmon.model.sample import Sample
from trafficmon.pins import PinDirectory
from trafficmon.reader.ahead import ReadAhead
from trafficmon.reader.live import Live
from trafficmon.sources.reading import read_sample

if TYPE_CHECKING:
    from trafficmon.dns.collect import Memory
    from trafficmon.host.identities import Identities

_ALL_NAMES_S, _SOME_NAMES_S = 600.0, 0.2
"""For DNS messages that wait in the kernel: where they are the request, and where they are names
beside something else."""


class PinnedSource:
    """Opens the maps for each sample, so each is of what is attached at the time.

    ``ahead``: has begun to read for the first sample. ``dns_is_read``: whether another reader of
    this process reads the DNS messages now; if not, each sample does, whatever its parts. Without
    it only samples with names do.
    """

    def __init__(
        self,
        pins: PinDirectory,
        ahead: ReadAhead | None = None,
        dns_is_read: Callable[[], bool] | None = None,
    ) -> None:
        self._pins, self._ahead, self._dns_is_read = pins, ahead, dns_is_read
        self._known: Identities | None = None
        self._dns_memory: Memory | None = None
        self._is_closed = False

    @property
    def description(self) -> str:
        """The pin directory."""
        return str(self._pins.root)

    def read(self, parts: Part) -> Sample:
        """See Source. NotAttachedError where nothing is pinned."""
        if self._is_closed:
            raise ValueError(f"the source {self.description} is closed")
        with Live(self._pins, self._ahead) as live:
            why = self._learn_names(live, parts)
            return read_sample(live, self._identities, parts, why)

    def _identities(self) -> Identities:
        """Made when the first name is needed, and kept for as long as this source."""
        if self._known is None:
            from trafficmon.host.identities import Identities

            self._known = Identities()
        return self._known

    def _learn_names(self, live: Live, parts: Part) -> str | None:
        """Reads the DNS messages that wait; why that was not possible, or not of all."""
        named = parts & (Part.REMOTE_NAMES | Part.DNS)
        if self._dns_is_read is not None and self._dns_is_read():
            return None
        has_messages = any(one.dns for one in live.interfaces)
        if not (has_messages and (named or self._dns_is_read is not None)):
            return None
        from trafficmon.dns.collect import Memory, refresh

        is_all = Part.DNS in parts and self._dns_is_read is None
        seconds = _ALL_NAMES_S if is_all else _SOME_NAMES_S
        attached = live.attached_ifindexes()
        memory = self._dns_memory = self._dns_memory or Memory()
        return refresh(live.pins, live.meta, attached, seconds, memory)

    def close(self) -> None:
        """No more samples; between two of them nothing is open."""
        self._is_closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
