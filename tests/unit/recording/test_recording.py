# SPDX-License-Identifier: MIT
"""What was recorded is read again, also after a kill; what is not a recording is refused."""

from __future__ import annotations

import json
import os
import random
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.recording.samples import BEGIN_NS, flows_of, same, sample_with, secret_sample
from trafficmon.model.parts import Part
from trafficmon.model.sample import Sample
from trafficmon.sources.recorded import RecordedSource
from trafficmon.sources.recording import frames
from trafficmon.sources.recording.errors import RecordingError, RecordingFileError
from trafficmon.sources.recording.frames import SIGNATURE, FrameKind, packed_frame
from trafficmon.sources.recording.reader import Recording
from trafficmon.sources.recording.writer import KEY_EVERY, About, FullError, RecordingWriter
from trafficmon.tables.catalogue import TABLES, parts_of, table_maker

ABOUT = About(1.0, is_anonymized=False)
ROOM = 1 << 24


def written(path: Path, samples: list[Sample], most_bytes: int = ROOM) -> list[int]:
    """Records them; the size of the file after each."""
    sizes = []
    with RecordingWriter(path, ABOUT, most_bytes) as writer:
        for sample in samples:
            writer.add(sample)
            sizes.append(path.stat().st_size)
    return sizes


def changing_flows(turns: int) -> list[Sample]:
    """Flows begin, end, count and change their order."""
    rng, samples = random.Random(1), []
    for turn in range(turns):
        numbers = rng.sample(range(30), rng.randrange(0, 20))
        samples.append(sample_with({Part.FLOWS: flows_of(numbers, turn)}, turn))
    return samples


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.rec"


class TestRoundTrip:
    def test_every_kind_of_member(self, path: Path) -> None:
        samples = [secret_sample(turn) for turn in range(3)]
        written(path, samples)
        with Recording(path) as recording:
            assert all(same(recording.sample(at), one) for at, one in enumerate(samples))

    def test_rows_that_come_go_and_change_places_in_any_order_of_reading(self, path: Path) -> None:
        samples = changing_flows(2 * KEY_EVERY + 5)
        written(path, samples)
        places = list(range(len(samples)))
        random.Random(2).shuffle(places)
        with Recording(path) as recording:
            for at in places:
                assert same(recording.sample(at), samples[at]), at

    def test_parts_that_are_not_there_all_the_time(self, path: Path) -> None:
        with_flows: dict[Part, Any] = {Part.FLOWS: flows_of([1, 2], 1)}
        samples = [
            sample_with(held, turn)
            for turn, held in enumerate([with_flows, {}, with_flows, {Part.SOCKETS: None}])
        ]
        written(path, samples)
        with Recording(path) as recording:
            assert [recording.sample(at).parts for at in range(4)] == [one.parts for one in samples]

    def test_what_does_not_change_costs_next_to_nothing(self, path: Path) -> None:
        numbers = list(range(5000))
        rng = np.random.default_rng(1)
        flows = flows_of(numbers, 1)
        flows.keys["remote_addr"] = rng.integers(0, 255, (5000, 16), np.uint8)
        order = rng.permutation(5000)
        moved = type(flows)(flows.keys[order], flows.values[order], 5000)
        sizes = written(path, [sample_with({Part.FLOWS: one}) for one in (flows, flows, moved)])
        assert sizes[1] - sizes[0] < sizes[0] / 20
        assert sizes[2] - sizes[1] < sizes[0] / 5

    def test_the_sample_of_a_time(self, path: Path) -> None:
        written(path, [sample_with({}, turn) for turn in range(5)])
        second = 10**9
        with Recording(path) as recording:
            at = recording.place_at
            assert [at(BEGIN_NS + t) for t in (-1, 0, second - 1, second, 99 * second)] == [
                *(0, 0, 0, 1, 4)
            ]


def test_what_the_first_version_of_the_format_wrote_is_read() -> None:
    """One connection of 30,000 and 7,000 bytes, recorded with --anonymize."""
    with RecordedSource(Path(__file__).with_name("format-1.rec")) as source:
        assert len(source.recording) == 3
        sample = source.read(parts_of(*TABLES))
    made = {name: table_maker(name)(sample) for name in TABLES}
    rows = {name: list(table.stream(np.arange(table.length))) for name, table in made.items()}
    assert {name: len(found) for name, found in rows.items()} == {
        "flows": 1,
        "connections": 2,
        "users": 1,
        "processes": 1,
        "cgroups": 1,
        "hosts": 1,
        "interfaces": 1,
        "ports": 1,
        "protocols": 256,
        "dns": 0,
        "layers": 4,
        "drops": 0,
    }
    (process,) = rows["processes"]
    assert (process["app_rx_bytes"], process["app_tx_bytes"]) == (30_000, 7_000)
    assert rows["flows"][0]["comm"] == process["comm"] == "process1"


class TestSource:
    def test_begins_with_the_last_sample_and_stays_within(self, path: Path) -> None:
        samples = changing_flows(5)
        written(path, samples)
        with RecordedSource(path) as source:
            assert same(source.read(Part.FLOWS), samples[4])
            for expected, place in ((0, 0), (-5, 0), (3, 3), (99, 4)):
                source.place = expected
                assert source.place == place
                assert same(source.read(Part.FLOWS), samples[place])

    def test_names_the_part_that_was_not_recorded(self, path: Path) -> None:
        written(path, [sample_with({})])
        with RecordedSource(path) as source, pytest.raises(RecordingError, match="no FLOWS"):
            source.read(Part.FLOWS)


class TestInterrupted:
    def test_a_file_cut_anywhere_has_all_samples_before(self, path: Path, tmp_path: Path) -> None:
        samples = changing_flows(8)
        sizes = written(path, samples)
        content, cut = path.read_bytes(), tmp_path / "cut"
        for length in range(sizes[0], len(content)):
            cut.write_bytes(content[:length])
            with Recording(cut) as recording:
                whole = sum(size <= length for size in sizes)
                assert len(recording) == whole
                assert same(recording.sample(whole - 1), samples[whole - 1])

    def test_without_a_whole_sample_it_says_so(self, path: Path, tmp_path: Path) -> None:
        (size,) = written(path, changing_flows(1))
        content, cut = path.read_bytes(), tmp_path / "cut"
        for length in range(size):
            cut.write_bytes(content[:length])
            with pytest.raises(RecordingError):
                Recording(cut)


class TestLimits:
    def test_no_larger_than_it_may_be(self, path: Path) -> None:
        samples = changing_flows(50)
        with RecordingWriter(path, ABOUT, 3000) as writer:
            with pytest.raises(FullError, match="--max-size"):
                for sample in samples:
                    writer.add(sample)
            count = writer.samples
        assert path.stat().st_size <= 3000
        with Recording(path) as recording:
            assert len(recording) == count > 1
            assert same(recording.sample(count - 1), samples[count - 1])

    @pytest.mark.parametrize("make", [Path.touch, Path.mkdir, os.mkfifo])
    def test_what_is_there_is_left_alone(self, path: Path, make: object) -> None:
        make(path)  # type: ignore[operator]
        before = path.stat()
        with pytest.raises(RecordingFileError, match=r"cannot make .*File exists; name another"):
            RecordingWriter(path, ABOUT, ROOM)
        assert path.stat().st_mtime_ns == before.st_mtime_ns

    def test_a_link_is_not_followed(self, path: Path, tmp_path: Path) -> None:
        path.symlink_to(tmp_path / "victim")
        with pytest.raises(RecordingFileError, match=r"cannot make .*File exists; name another"):
            RecordingWriter(path, ABOUT, ROOM)
        assert not (tmp_path / "victim").exists()

    def test_a_full_disk_costs_the_sample_that_did_not_fit(self) -> None:
        path = Path("/dev/full")
        with pytest.raises(RecordingFileError, match="No space left"):
            writer_of(os.open(path, os.O_WRONLY)).add(sample_with({}))

    def test_for_its_owner_alone(self, path: Path) -> None:
        written(path, [])
        assert path.stat().st_mode & 0o777 == 0o600


def writer_of(fd: int) -> RecordingWriter:
    """That writes to an open file."""
    writer = RecordingWriter.__new__(RecordingWriter)
    writer.__dict__ |= {"_fd": fd, "_path": Path("x"), "_most_bytes": ROOM, "_key": None}
    writer.written_bytes = writer.samples = 0
    return writer


class TestDamaged:
    @pytest.mark.parametrize("content", [b"", b"x", SIGNATURE[:-2] + b"9\n", bytes(10_000)])
    def test_what_is_no_recording(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)
        with pytest.raises(RecordingError, match="cannot read"):
            Recording(path)

    def test_a_pipe_does_not_make_it_wait(self, path: Path) -> None:
        os.mkfifo(path)
        with pytest.raises(RecordingError, match="regular file"):
            Recording(path)

    def test_any_changed_byte_is_noticed_or_harmless(self, path: Path, tmp_path: Path) -> None:
        samples = [secret_sample(turn) for turn in range(3)]
        written(path, samples)
        content, rng = path.read_bytes(), random.Random(3)
        for _ in range(400):
            changed = bytearray(content)
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
            read_all(tmp_path / "changed", bytes(changed))

    def test_frames_with_right_checksums_and_wrong_content(
        self, path: Path, tmp_path: Path
    ) -> None:
        """As someone makes them who knows the format."""
        samples = [secret_sample(turn) for turn in range(2)]
        written(path, samples)
        whole, rng = list(frames_of(path.read_bytes())), random.Random(4)
        for _ in range(400):
            at = rng.randrange(len(whole))
            kind, raw = whole[at]
            changed = bytearray(raw)
            for _ in range(rng.randrange(1, 4)):
                changed[rng.randrange(len(changed))] = rng.randrange(256)
            made = [*whole[:at], (kind, bytes(changed)), *whole[at + 1 :]]
            read_all(tmp_path / "changed", file_of(made))

    def test_a_small_frame_that_unpacks_to_more_than_any_sample(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(frames, "MOST_FRAME_BYTES", 1 << 20)
        packed = zlib.compress(bytes((1 << 20) + 1))
        head = struct.pack("<B3xIIQ", FrameKind.KEY, len(packed), zlib.crc32(packed), 0)
        about = json.dumps({"interval_s": 1, "is_anonymized": False, "program_version": "x"})
        begin = SIGNATURE + packed_frame(FrameKind.ABOUT, 0, about.encode())
        path.write_bytes(begin + head + packed)
        with Recording(path) as recording, pytest.raises(RecordingError, match="too large"):
            recording.sample(0)

    def test_arrays_of_objects_are_refused(self, path: Path) -> None:
        written(path, [sample_with({Part.FLOWS: flows_of([1], 1)})])
        about, (kind, raw) = frames_of(path.read_bytes())
        assert b"'<u8'" in raw
        path.write_bytes(file_of([about, (kind, raw.replace(b"'<u8'", b"'|O8'"))]))
        with Recording(path) as recording, pytest.raises(RecordingError):
            recording.sample(0)


def frames_of(content: bytes) -> Iterator[tuple[FrameKind, bytes]]:
    content = content.removeprefix(SIGNATURE)
    while content:
        kind, length, _, _ = struct.unpack_from("<B3xIIQ", content)
        yield FrameKind(kind), zlib.decompress(content[20 : 20 + length])
        content = content[20 + length :]


def file_of(made: list[tuple[FrameKind, bytes]]) -> bytes:
    return SIGNATURE + b"".join(packed_frame(kind, BEGIN_NS, raw) for kind, raw in made)


def read_all(path: Path, content: bytes) -> None:
    """Nothing but RecordingError may come of it."""
    path.write_bytes(content)
    try:
        with Recording(path) as recording:
            for at in range(len(recording)):
                recording.sample(at)
    except RecordingError:
        pass
