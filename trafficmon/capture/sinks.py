# SPDX-License-Identifier: MIT
"""Where captured packets go: lines of text, or a pcapng file."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol, TextIO

from trafficmon import __version__, ownership
from trafficmon.capture.comment import comment_of
from trafficmon.capture.packets import Capture, CapturedPacket, Counts
from trafficmon.capture.pcapng import LINKTYPE_ETHERNET, LINKTYPE_RAW, Packet, PcapngWriter
from trafficmon.errors import TrafficmonError
from trafficmon.host.contained import Contained
from trafficmon.host.interfaces import Interface
from trafficmon.render.packetline import packet_line

_OWNER_WORDS = {"process": "comm", "pid": "pid", "user": "user", "uid": "uid", "cgroup": "cgroup"}
"""Words of a packet's comment, and the fields that they are of."""


class PacketSink(Protocol):
    """``write`` again and again, ``finish`` once, ``close`` in any case."""

    def write(self, packets: Sequence[CapturedPacket]) -> None:
        """In order of time."""

    def finish(self, counts: dict[str, Counts]) -> None:
        """What became of the packets of each interface."""

    def close(self) -> None:
        """Nothing more will come."""


def write_packets(
    capture: Capture,
    sink: PacketSink,
    count: int | None,
    check: Callable[[], None],
    contained: Contained,
) -> tuple[int, int]:
    """Write ``count`` packets, or until ``check`` raises KeyboardInterrupt.

    Returns how many were captured, and how many were lost since they came faster than that.
    """
    captured = 0
    for packets in capture.stream.batches(count=count, check=check):
        if packets and contained.run(partial(sink.write, packets), "writing packets"):
            continue
        captured += len(packets)
    counts = capture.counts()
    sink.finish(counts)
    return captured, sum(one.lost for one in counts.values())


class PacketLines:
    """A line of text for each packet."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, packets: Sequence[CapturedPacket]) -> None:
        """And flush."""
        for one in packets:
            self._stream.write(f"{packet_line(one.record())}\n")
        self._stream.flush()

    def finish(self, counts: dict[str, Counts]) -> None:
        """Nothing to add."""

    def close(self) -> None:
        """Nothing to close."""


class PcapngFile:
    """pcapng, to a file or a pipe; ``expression`` is noted in it."""

    def __init__(
        self, path: str, interfaces: Sequence[Interface], snap_bytes: int, expression: str
    ) -> None:
        self._stream = _opened(path)
        system = f"{os.uname().sysname} {os.uname().release}"
        self._writer = PcapngWriter(self._stream, f"trafficmon {__version__}", system)
        self._numbers = {
            one.name: self._writer.add_interface(
                one.name,
                LINKTYPE_ETHERNET if one.link_header_bytes else LINKTYPE_RAW,
                snap_bytes,
                expression,
            )
            for one in interfaces
        }
        self._written = dict.fromkeys(self._numbers, 0)
        self._lost: dict[tuple[str | None, int], int] = {}
        self._stream.flush()

    def write(self, packets: Sequence[CapturedPacket]) -> None:
        """And flush."""
        for one in packets:
            name = one.interface or ""
            comment = comment_of(_owner_words(one))
            self._writer.write(
                Packet(
                    self._numbers[name],
                    one.at_ns,
                    one.data,
                    one.length,
                    bool(one.is_rx),
                    self._lost_since_last(one),
                    comment,
                )
            )
            self._written[name] += 1
        self._stream.flush()

    def _lost_since_last(self, packet: CapturedPacket) -> int:
        """For want of room, since the last packet written of the same interface and CPU."""
        place = packet.interface, packet.cpu
        lost = packet.lost_before - self._lost.get(place, 0)
        self._lost[place] = packet.lost_before
        return lost

    def finish(self, counts: dict[str, Counts]) -> None:
        """Statistics of each interface."""
        for name, number in self._numbers.items():
            figures = counts[name].offered, counts[name].lost, self._written[name]
            self._writer.add_statistics(number, time.time_ns(), figures)
        self._stream.flush()

    def close(self) -> None:
        """Close the file, but not standard output."""
        if self._stream is not sys.stdout.buffer:
            self._stream.close()


def _opened(path: str) -> BinaryIO:
    """Not through another user's symbolic link, and not into a file that he may read."""
    if path == "-":
        return sys.stdout.buffer
    where = Path(path)
    ownership.resolve(where)  # UsageError for another user's link in the path
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW * (not where.is_symlink())
    try:
        fd = os.open(path, flags, 0o600)
        try:
            ownership.require_own_file(fd, where)
            if not where.is_symlink():
                os.ftruncate(fd, 0)
        except BaseException:
            os.close(fd)
            raise
    except OSError as error:
        raise TrafficmonError(f"cannot write {path}: {error.strerror}") from error
    return os.fdopen(fd, "wb")


def _owner_words(packet: CapturedPacket) -> dict[str, str | int | None]:
    owner = packet.owner.record()
    return {word: owner[field] for word, field in _OWNER_WORDS.items()}
