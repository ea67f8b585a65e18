# SPDX-License-Identifier: MIT
"""Recordings of the dashboard's made-up counters, and the dashboard over them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.tui.drive import WIDE, Act, quiet
from tests.tui.fake import FakeSource
from trafficmon.model.sample import Sample
from trafficmon.sources.recorded import opened_at
from trafficmon.sources.recording.writer import About, RecordingWriter
from trafficmon.tui.recorded import RecordedApp

BEGIN_S = 1_790_000_000
SAMPLES = 180


class Hand:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def sample_at(second: int, turn: int, *, attached_at_ns: int = 7) -> Sample:
    """Of a FakeSource that was read ``turn`` times; each turn has counted 1,000 bytes more."""
    source = FakeSource()
    source.readings, source.attached_at_ns = 1 + turn, attached_at_ns
    sample = source.reading().sample
    monotonic_ns = second * 10**9
    clock = sample.clock._replace(
        taken_at_ns=(BEGIN_S + second) * 10**9, monotonic_ns=monotonic_ns, boottime_ns=monotonic_ns
    )
    return replace(sample, clock=clock, read_at_s={part: float(second) for part in sample.parts})


def record(path: Path, samples: Iterable[Sample]) -> Path:
    with RecordingWriter(path, About(1.0, is_anonymized=False), 1 << 30) as writer:
        for sample in samples:
            writer.add(sample)
    return path


def regular(path: Path, count: int = SAMPLES) -> Path:
    """A sample a second; from one to the next each flow gets as many more bytes as it is late."""
    path.write_bytes(_regular(count))
    return path


@cache
def _regular(count: int) -> bytes:
    """Made once: it takes seconds."""
    with TemporaryDirectory() as folder:
        samples = (sample_at(second, total(second)) for second in range(count))
        return record(Path(folder) / "file.rec", samples).read_bytes()


def total(second: int) -> int:
    """Thousands of bytes: second n adds n of them."""
    return second * (second + 1) // 2


def damage(path: Path, taken_at_ns: int) -> None:
    """The frame of a time is no longer what was written."""
    raw = bytearray(path.read_bytes())
    place = raw.index(taken_at_ns.to_bytes(8, "little")) + 8
    raw[place + 4] ^= 0xFF
    path.write_bytes(raw)


def run_recorded(
    path: Path,
    settings: Path,
    act: Callable[..., object] | Act,
    size: tuple[int, int] = WIDE,
    at: str | None = None,
    now: Callable[[], float] | None = None,
) -> RecordedApp:
    app = RecordedApp(opened_at(path, at), path, settings, now=now or Hand())

    async def inside() -> None:
        async with app.run_test(size=size, notifications=True) as pilot:
            await quiet(app, pilot)
            await act(app, pilot)  # type: ignore[misc]

    asyncio.run(inside())
    return app
