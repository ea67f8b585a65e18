# SPDX-License-Identifier: MIT
"""The file of a recording: a signature, then frames, each with its length and checksum.

Frames are only appended, each with one write. So after a kill at any moment all frames but the last
are whole, and the reader leaves out an incomplete one. A frame is of a time, and complete in itself
(KEY) or together with the KEY before it (DELTA): two frames are enough for any moment.

    file   = signature, frame, ...
    frame  = kind (1), zeros (3), packed_bytes (4), crc32 of the packed bytes (4), taken_at_ns (8)
             then packed_bytes bytes, deflated (RFC 1950)

All integers are little-endian.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum

from trafficmon.sources.recording.errors import RecordingError

SIGNATURE = b"trafficmon recording 1\n"
"""With the version of the format: a reader of another one does not guess."""
MOST_FRAME_BYTES = 1 << 29
"""Unpacked: a sample of two million flows. A small file may unpack to any size."""

_HEAD = struct.Struct("<B3xIIQ")
_FASTEST = 1  # deflate level: of 6 times the time, the default one gains a tenth


class FrameKind(IntEnum):
    """What a frame needs to be read."""

    ABOUT = 0  # of the whole file, the first one
    KEY = 1
    DELTA = 2


_KINDS = frozenset(map(int, FrameKind))


@dataclass(frozen=True)
class Frame:
    """Where a frame is in its file. ``taken_at_ns`` since 1970, UTC."""

    kind: FrameKind
    taken_at_ns: int
    begin: int  # of the packed bytes
    packed_bytes: int
    crc32: int

    @property
    def end(self) -> int:
        """Where the next frame begins."""
        return self.begin + self.packed_bytes


def packed_frame(kind: FrameKind, taken_at_ns: int, content: bytes) -> bytes:
    """A frame as it stands in the file."""
    packed = zlib.compress(content, _FASTEST)
    return _HEAD.pack(kind, len(packed), zlib.crc32(packed), taken_at_ns) + packed


def require_recording(fd: int, name: str) -> None:
    """RecordingError where an open file does not begin as a recording does."""
    if os.pread(fd, len(SIGNATURE), 0) != SIGNATURE:
        raise RecordingError(name, "it is no recording of this version of trafficmon")


def frames_from(fd: int, begin: int) -> list[Frame]:
    """The whole frames of an open file from byte ``begin`` on, without reading what they hold.

    An incomplete last frame is left out.
    """
    size = os.fstat(fd).st_size
    found: list[Frame] = []
    while begin + _HEAD.size <= size:
        kind, packed_bytes, crc32, taken_at_ns = _HEAD.unpack(os.pread(fd, _HEAD.size, begin))
        begin += _HEAD.size
        if begin + packed_bytes > size or kind not in _KINDS:
            break
        found.append(Frame(FrameKind(kind), taken_at_ns, begin, packed_bytes, crc32))
        begin += packed_bytes
    return found


def content_of(fd: int, frame: Frame, name: str) -> bytes:
    """What was packed into a frame; RecordingError where it is damaged."""
    packed = os.pread(fd, frame.packed_bytes, frame.begin)
    if zlib.crc32(packed) != frame.crc32:
        raise RecordingError(name, f"the frame at byte {frame.begin} is damaged")
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(packed, MOST_FRAME_BYTES)
    except zlib.error as error:
        raise RecordingError(name, f"the frame at byte {frame.begin}: {error}") from None
    if not unpacker.eof:
        raise RecordingError(name, f"the frame at byte {frame.begin} is cut or too large")
    return content
