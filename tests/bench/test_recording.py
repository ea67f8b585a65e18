# SPDX-License-Identifier: MIT
"""What an hour of samples of 10,000 flows takes: CPU time, and room in the file."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.bench.report import publish
from tests.kernel.program import attached
from tests.lab.lab import Lab
from tests.lab.pktgen import PacketGenerator
from trafficmon.model.parts import Part
from trafficmon.pins import PinDirectory
from trafficmon.sources.pinned import PinnedSource
from trafficmon.sources.recording.reader import Recording
from trafficmon.sources.recording.writer import KEY_EVERY, About, RecordingWriter

pytestmark = pytest.mark.bench

FLOWS, CHANGING = 10_000, 1_000
SAMPLES = 2 * KEY_EVERY
HOUR = 3600


@pytest.mark.timeout(300)
def test_an_hour_of_ten_thousand_flows(tmp_path: Path) -> None:
    """A tenth of the flows counts between two samples. Writing costs about what reading does."""
    path = tmp_path / "file.rec"
    read_s = written_s = 0.0
    with Lab() as lab, PacketGenerator() as generator, attached(lab.server, lab.server_if) as one:
        generator.send(lab.client_end, lab.server_end, flows=FLOWS, packets=FLOWS)
        source = PinnedSource(PinDirectory(one.pin_dir))
        with source, RecordingWriter(path, About(1.0, is_anonymized=False), 1 << 30) as writer:
            for _ in range(SAMPLES):
                generator.send(lab.client_end, lab.server_end, flows=FLOWS, packets=CHANGING)
                begun = time.process_time()
                sample = source.read(~Part(0))
                read_s += time.process_time() - begun
                begun = time.process_time()
                writer.add(sample)
                written_s += time.process_time() - begun
            size = writer.written_bytes
    jumps_ms = _jumps_ms(path)
    publish(
        "recording",
        f"{SAMPLES} samples of {FLOWS:,} flows, {CHANGING:,} of which count in between",
        [
            {"figure": "reading, ms of CPU a sample", "value": read_s / SAMPLES * 1e3},
            {"figure": "writing, ms of CPU a sample", "value": written_s / SAMPLES * 1e3},
            {"figure": "an hour of samples, MB", "value": size / SAMPLES * HOUR / 1e6},
            {"figure": "a jump to any sample, median ms", "value": jumps_ms[len(jumps_ms) // 2]},
            {"figure": "a jump to any sample, worst ms", "value": jumps_ms[-1]},
        ],
    )
    assert written_s < 2 * read_s


def _jumps_ms(path: Path) -> list[float]:
    rng, found = random.Random(1), []
    with Recording(path) as recording:
        for _ in range(100):
            begun = time.perf_counter()
            assert len(recording.sample(rng.randrange(len(recording))).flows.keys) >= FLOWS
            found.append((time.perf_counter() - begun) * 1e3)
    return sorted(found)
