# SPDX-License-Identifier: MIT
"""A ring buffer as a source of a stream: its records decoded one by one, errors contained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from trafficmon.events.stream import Losses, Timed
from trafficmon.host import clock
from trafficmon.host.contained import Contained
from trafficmon.libbpf.map import Map
from trafficmon.libbpf.ring import RingBuffer

E = TypeVar("E", bound=Timed)
T = TypeVar("T")


def decode_each(
    encoded: Sequence[T], decode: Callable[[T, int], E], contained: Contained
) -> list[E]:
    """Each of ``encoded``; one that cannot be decoded is noted, and the next one comes.

    ``decode`` is given what CLOCK_REALTIME is ahead of the kernel's CLOCK_MONOTONIC, in ns.
    """
    if not encoded:
        return []
    offset_ns = clock.wall_minus_monotonic_ns()
    return contained.each(lambda one: decode(one, offset_ns), encoded, "decoding an event")


class RingSource(Generic[E]):
    """Its one consumer. Reads at most ``at_once`` records a time: what comes faster has to wait."""

    def __init__(
        self, ring: Map, decode: Callable[[bytes, int], E], contained: Contained, at_once: int
    ) -> None:
        self._decode, self._contained, self._at_once = decode, contained, at_once
        self._raw: list[bytes] = []
        self._ring = RingBuffer(ring, self._raw.append)
        self._undecoded = 0

    @property
    def fd(self) -> int:
        """Readable when much is waiting; a little waits until the next look."""
        return self._ring.fd

    def read(self) -> list[E]:
        """What has come."""
        raw = self.read_raw()
        events = decode_each(raw, self._decode, self._contained)
        self._undecoded += len(raw) - len(events)
        return events

    def read_raw(self) -> list[bytes]:
        """What has come, as the kernel wrote it."""
        self._ring.consume(self._at_once)
        raw = list(self._raw)
        self._raw.clear()
        return raw

    def stop(self) -> None:
        """Programs that fill the ring buffer do so until they are taken off."""

    def losses(self) -> Losses:
        """Records that could not be decoded."""
        return Losses(undecoded=self._undecoded)

    def close(self) -> None:
        """Let go of the ring buffer."""
        self._ring.close()
