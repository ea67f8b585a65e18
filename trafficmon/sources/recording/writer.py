# SPDX-License-Identifier: MIT
"""Writes samples to a file, frame by frame."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from trafficmon import __version__, ownership
from trafficmon.errors import TrafficmonError
from trafficmon.model.sample import Sample
from trafficmon.sources.recording.content import Content, content_of_sample, to_bytes
from trafficmon.sources.recording.errors import RecordingFileError
from trafficmon.sources.recording.frames import SIGNATURE, FrameKind, packed_frame

KEY_EVERY = 60
"""Frames from one that is complete in itself to the next: a minute, sampled every second. What has
changed since then grows with it, a complete frame is ten times as large as what changed."""


class FullError(TrafficmonError):
    """The file has reached the size that was set for it; all frames before are in it."""


@dataclass(frozen=True)
class About:
    """What is known of a recording before its first sample."""

    interval_s: float
    is_anonymized: bool
    program_version: str = __version__


class RecordingWriter:
    """Makes ``path``, which must not exist, for its owner alone: it holds command lines.

    UsageError for another user's symbolic link on the way; RecordingFileError where the file cannot
    be made or written.
    """

    def __init__(self, path: Path, about: About, most_bytes: int) -> None:
        self._path, self._most_bytes = path, most_bytes
        ownership.resolve(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._fd = os.open(path, flags, 0o600)
        except OSError as error:
            raise RecordingFileError("make", str(path), error, "name another file") from None
        self._key: Content | None = None
        self.written_bytes = self.samples = 0
        try:
            head = json.dumps(asdict(about)).encode("ascii")
            self._append(SIGNATURE + packed_frame(FrameKind.ABOUT, time.time_ns(), head))
        except BaseException:
            self.close()
            path.unlink()
            raise

    def add(self, sample: Sample) -> None:
        """Append a sample. FullError where there is no room for it."""
        content = content_of_sample(sample)
        is_key = self.samples % KEY_EVERY == 0
        raw = to_bytes(content, None if is_key else self._key)
        kind = FrameKind.KEY if is_key else FrameKind.DELTA
        self._append(packed_frame(kind, sample.clock.taken_at_ns, raw))
        if is_key:
            self._key = content
        self.samples += 1

    def _append(self, frame: bytes) -> None:
        if self.written_bytes + len(frame) > self._most_bytes:
            raise FullError(
                f"{str(self._path)!r} has reached {self._most_bytes:,} bytes; "
                "--max-size allows more, a longer --interval needs less"
            )
        left = memoryview(frame)
        while left:
            try:
                left = left[os.write(self._fd, left) :]
            except OSError as error:
                remedy = "all samples before are in it; make room, then record into another file"
                raise RecordingFileError("write", str(self._path), error, remedy) from None
        self.written_bytes += len(frame)

    def close(self) -> None:
        """Nothing more to write; what is written is complete."""
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
