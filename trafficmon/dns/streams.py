# SPDX-License-Identifier: MIT
"""DNS messages out of TCP: each has its length in two bytes before it (RFC 1035, 4.2.2).

Pieces come with sequence numbers and may be sent twice, or come out of order. Strangers make
streams, so both their number and what is kept of each have a limit.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

_MOST_STREAMS = 1024
_MOST_BYTES = 1 << 17  # a message of the greatest length, and another begun
_SEQUENCES = 1 << 32


@dataclass
class _Stream:
    """One direction of a connection; ``following`` is the sequence number of the next byte."""

    following: int
    waiting: bytearray = field(default_factory=bytearray)
    early: dict[int, bytes] = field(default_factory=dict)


class Streams:
    """All connections' directions, each by a key of the caller's."""

    def __init__(self) -> None:
        self._streams: OrderedDict[Hashable, _Stream] = OrderedDict()
        self.lost = 0
        """Streams given up: a piece was missing, or there were too many."""

    def begin(self, key: Hashable, sequence: int) -> None:
        """A SYN: the first byte is the one after it."""
        self._forget(key)
        self._keep(key, _Stream((sequence + 1) % _SEQUENCES))

    def end(self, key: Hashable) -> None:
        """A FIN or RST: nothing more will come."""
        self._forget(key)

    def add(self, key: Hashable, sequence: int, data: bytes) -> Iterator[bytes]:
        """A piece; the messages that are whole with it.

        A stream whose beginning was not seen is taken to begin with a message here.
        """
        stream = self._streams.get(key)
        if stream is None:
            stream = _Stream(sequence)
            self._keep(key, stream)
        self._streams.move_to_end(key)
        stream.early[sequence] = data
        self._join(stream)
        if len(stream.waiting) + sum(map(len, stream.early.values())) > _MOST_BYTES:
            self.lost += 1
            self._forget(key)
            return
        yield from _messages(stream.waiting)

    def _join(self, stream: _Stream) -> None:
        """What has become the next piece, to what waits."""
        found = True
        while found:
            found = False
            for sequence in sorted(stream.early, key=lambda s: _ahead(s, stream.following)):
                skip = _ahead(stream.following, sequence)
                if skip < 0:
                    break
                data = stream.early.pop(sequence)[skip:]
                stream.waiting += data
                stream.following = (stream.following + len(data)) % _SEQUENCES
                found = bool(data)
                break

    def _keep(self, key: Hashable, stream: _Stream) -> None:
        self._streams[key] = stream
        if len(self._streams) > _MOST_STREAMS:
            _, oldest = self._streams.popitem(last=False)
            self.lost += bool(oldest.waiting or oldest.early)

    def _forget(self, key: Hashable) -> None:
        stream = self._streams.pop(key, None)
        if stream is not None and (stream.waiting or stream.early):
            self.lost += 1


def _ahead(a: int, b: int) -> int:
    """How far ``a`` is ahead of ``b``, modulo 2^32; negative where it is behind."""
    return (a - b + _SEQUENCES // 2) % _SEQUENCES - _SEQUENCES // 2


def _messages(waiting: bytearray) -> Iterator[bytes]:
    while len(waiting) >= 2:
        length = int.from_bytes(waiting[:2], "big")
        if len(waiting) < 2 + length:
            return
        yield bytes(waiting[2 : 2 + length])
        del waiting[: 2 + length]
