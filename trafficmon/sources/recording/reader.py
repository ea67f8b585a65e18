# SPDX-License-Identifier: MIT
"""Reads a recording: any of its samples, in any order."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from trafficmon.model.sample import Sample
from trafficmon.sources.recording.axis import TimeAxis
from trafficmon.sources.recording.content import Content, from_bytes, sample_of_content
from trafficmon.sources.recording.errors import RecordingError, RecordingFileError
from trafficmon.sources.recording.frames import (
    SIGNATURE,
    Frame,
    FrameKind,
    content_of,
    frames_from,
    require_recording,
)
from trafficmon.sources.recording.writer import About

_ABOUT_MEMBERS = frozenset(About.__dataclass_fields__)


class Recording:
    """The samples of a file, by their places from 0 on.

    A file that is being written, or whose writer was killed, has all samples but an incomplete last
    one. RecordingError where the file is no recording, or is damaged; RecordingFileError where it
    cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        try:  # not blocking: a pipe would not open before it has a writer
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            remedy = "'trafficmon record FILE' makes one that its owner can read"
            raise RecordingFileError("read", self.name, error, remedy) from None
        self._key: tuple[int, Content] | None = None
        try:
            if not stat.S_ISREG(os.fstat(self._fd).st_mode):
                raise RecordingError(self.name, "it is not a regular file")
            require_recording(self._fd, self.name)
            frames = frames_from(self._fd, len(SIGNATURE))
            self.about = self._read_about(frames)
            self._set_frames(frames[1:])
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return len(self._frames)

    def refresh(self) -> None:
        """Find the samples that were appended meanwhile; those before keep their places."""
        self._set_frames([*self._frames, *frames_from(self._fd, self._frames[-1].end)])

    def _set_frames(self, frames: list[Frame]) -> None:
        if not frames:
            raise RecordingError(self.name, "there is no complete sample in it")
        self._frames = frames
        self.axis = TimeAxis([frame.taken_at_ns for frame in frames])

    @property
    def times_ns(self) -> Sequence[int]:
        """When each sample was taken: since 1970, UTC."""
        return self.axis.times_ns

    def place_at(self, time_ns: int) -> int:
        """See TimeAxis."""
        return self.axis.place_at(time_ns)

    def sample(self, place: int) -> Sample:
        """The sample at ``place``."""
        try:
            return sample_of_content(self._content(place))
        except ValueError as error:
            raise RecordingError(self.name, str(error)) from None

    def _content(self, place: int) -> Content:
        frame = self._frames[place]
        if frame.kind == FrameKind.KEY:
            return self._key_content(place)
        before = (at for at in range(place, -1, -1) if self._frames[at].kind == FrameKind.KEY)
        key = next(before, None)
        if key is None:
            raise RecordingError(self.name, "the sample that others are relative to is missing")
        return from_bytes(content_of(self._fd, frame, self.name), self._key_content(key))

    def _key_content(self, place: int) -> Content:
        """Kept until another one is needed: samples that follow each other share it."""
        if self._key is None or self._key[0] != place:
            raw = content_of(self._fd, self._frames[place], self.name)
            self._key = (place, from_bytes(raw, None))
        return self._key[1]

    def _read_about(self, frames: list[Frame]) -> About:
        if not frames or frames[0].kind != FrameKind.ABOUT:
            raise RecordingError(self.name, "its beginning is missing")
        try:
            members = json.loads(content_of(self._fd, frames[0], self.name))
            return About(**{name: members[name] for name in _ABOUT_MEMBERS})
        except (ValueError, TypeError, KeyError) as error:
            raise RecordingError(self.name, f"its beginning is damaged ({error})") from None

    def close(self) -> None:
        """Nothing more to read."""
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
