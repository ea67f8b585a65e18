# SPDX-License-Identifier: MIT
"""The source that reads a recording, at a place in it that can be moved."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from trafficmon.errors import UsageError
from trafficmon.model.parts import Part
from trafficmon.model.sample import Sample
from trafficmon.sources.recording.errors import RecordingError
from trafficmon.sources.recording.reader import Recording
from trafficmon.when import time_ns


class RecordedSource:
    """Gives the sample at ``place``, which begins with the last one of the recording.

    As Recording raises them: RecordingFileError, RecordingError.
    """

    def __init__(self, path: Path) -> None:
        self.recording = Recording(path)
        self._place = len(self.recording) - 1
        self._latest: dict[int, Sample] = {}

    @property
    def description(self) -> str:
        """The file."""
        return self.recording.name

    @property
    def place(self) -> int:
        """Of the sample that read() gives."""
        return self._place

    @place.setter
    def place(self, place: int) -> None:
        self._place = min(max(0, place), len(self.recording) - 1)

    @property
    def end_ns(self) -> int:
        """When the last sample was taken: since 1970, UTC."""
        return self.recording.times_ns[-1]

    def go_to(self, time_ns: int) -> None:
        """The last sample that was taken by then; the first one for a time before that."""
        self._place = self.recording.place_at(time_ns)

    def advance(self, seconds: float) -> bool:
        """The next sample that is as much later, or the last one; False where there is no next."""
        if self._place == len(self.recording) - 1:
            return False
        self._place = self.recording.axis.moved(self._place, seconds)
        return True

    def read(self, parts: Part) -> Sample:
        """See Source. RecordingError where the sample was recorded without one of ``parts``."""
        sample = self._sample(self._place)
        if missing := parts & ~sample.parts:
            raise RecordingError(self.description, f"it holds no {missing.name}")
        return sample

    def _sample(self, place: int) -> Sample:
        """The two that were read last are kept: rates are of two that follow each other."""
        if place not in self._latest:
            kept = list(self._latest.items())[-1:]
            self._latest = dict([*kept, (place, self.recording.sample(place))])
        return self._latest[place]

    def close(self) -> None:
        """No more samples."""
        self.recording.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def opened_at(path: Path, time: str | None, *, from_the_beginning: bool = False) -> RecordedSource:
    """A recording at ``time`` as people write it: see when.py; without one at its end.

    UsageError where that is no time.
    """
    source = RecordedSource(path)
    if time is not None:
        try:
            source.go_to(time_ns("--at", time, source.end_ns))
        except UsageError:
            source.close()
            raise
    elif from_the_beginning:
        source.place = 0
    return source
