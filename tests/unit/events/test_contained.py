# SPDX-License-Identifier: MIT
"""One record that cannot be decoded, or shown, is said, logged and counted; the next one comes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scapy.utils import RawPcapNgReader

from tests.unit.command import run
from tests.unit.events.names import OFFSET_NS, RECORDED, RecordedNames, raw_events
from trafficmon.capture import packets
from trafficmon.capture.packets import Capture, Counts, SampleDecoder
from trafficmon.dns import collect
from trafficmon.dns.learn import Learner, Seen
from trafficmon.events import follow
from trafficmon.events.decode import EventDecoder
from trafficmon.events.event import PacketEvent
from trafficmon.events.ring import decode_each
from trafficmon.events.stream import EventStream, Losses
from trafficmon.host import capabilities, clock
from trafficmon.host.contained import Contained
from trafficmon.layout import EVENT, LOG_KEY, LOG_VALUE, SAMPLE, FlowFlag
from trafficmon.pins import PinDirectory
from trafficmon.userlog import recorder as log_recorder
from trafficmon.userlog.entries import EntryDecoder, InterfaceNames
from trafficmon.userlog.journal import Journal
from trafficmon.userlog.recorder import LogOptions, LogSource, Recorder

ODD = "kind 99\x1b[2J"


@pytest.fixture(autouse=True)
def error_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(clock, "wall_minus_monotonic_ns", lambda: OFFSET_NS)
    monkeypatch.setattr(capabilities, "require", lambda *_: None)
    return tmp_path / "trafficmon" / "errors.log"


@pytest.fixture
def pin_dir(tmp_path: Path) -> Path:
    pins = PinDirectory(tmp_path / "pins")
    pins.map("meta").parent.mkdir(parents=True)
    pins.map("meta").touch()
    return tmp_path / "pins"


class Records:
    """A source of raw records, a batch a read; then Ctrl-C."""

    fd = None

    def __init__(
        self,
        batches: Sequence[Sequence[bytes]],
        decode: Callable[[bytes, int], Any],
        contained: Contained,
    ) -> None:
        self._batches, self._decode, self._contained = list(batches), decode, contained
        self._undecoded = 0

    def read(self) -> list[Any]:
        raw = self._batches.pop(0) if self._batches else []
        events = decode_each(raw, self._decode, self._contained)
        self._undecoded += len(raw) - len(events)
        return events

    def stop(self) -> None:
        """Nothing more comes anyway."""

    def losses(self) -> Losses:
        return Losses(undecoded=self._undecoded)


class RecordedAttachment(RecordedNames):
    copies_dns = False


def of_kind(kind: int) -> bytes:
    raw = np.frombuffer(bytearray(raw_events()[0]), np.uint8)
    raw[EVENT.fields["kind"][1]] = kind  # type: ignore[index]
    return raw.tobytes()


def show_events(
    monkeypatch: pytest.MonkeyPatch, batches: Sequence[Sequence[bytes]], decoder: EventDecoder
) -> None:
    @contextmanager
    def attached(_: PinDirectory) -> Iterator[RecordedAttachment]:
        yield RecordedAttachment()

    @contextmanager
    def kernel_events(_: Any, __: Any, ___: int, contained: Contained) -> Iterator[Records]:
        yield Records(batches, decoder.decode, contained)

    monkeypatch.setattr(follow, "attached", attached)
    monkeypatch.setattr(follow, "kernel_events", kernel_events)


@pytest.mark.parametrize(
    "damaged", [of_kind(99), raw_events()[0][:40], b""], ids=["unknown kind", "cut", "empty"]
)
def test_events_after_one_that_cannot_be_decoded(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error_log: Path,
    pin_dir: Path,
    damaged: bytes,
) -> None:
    good = raw_events()
    batches = [[good[0], damaged, good[1]], [damaged], good[2:]]
    show_events(monkeypatch, batches, EventDecoder(RecordedNames()))
    named = ("--pin-dir", str(pin_dir), "--count", str(len(good)))
    assert run(monkeypatch, "events", "--json", *named) == 0
    shown = capsys.readouterr()
    assert len([json.loads(one) for one in shown.out.splitlines()]) == len(good)
    assert shown.err.count("internal error while decoding an event (") == 1
    assert str(error_log) in shown.err
    assert "note: 2 events could not be decoded" in shown.err
    assert "Traceback" in error_log.read_text()
    assert "Traceback" not in shown.err


@pytest.mark.parametrize("form", [("--json",), ()], ids=["json", "text"])
def test_events_after_one_that_cannot_be_shown(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error_log: Path,
    pin_dir: Path,
    form: tuple[str, ...],
) -> None:
    real, calls = PacketEvent.record, []

    def odd(event: PacketEvent) -> Any:
        calls.append(event)
        if len(calls) == 2:
            raise IndexError(ODD)
        return real(event)

    monkeypatch.setattr(PacketEvent, "record", odd)
    good = raw_events("packet")
    show_events(monkeypatch, [good], EventDecoder(RecordedNames()))
    named = ("--pin-dir", str(pin_dir), "--count", str(len(good)))
    assert run(monkeypatch, "events", *form, *named) == 0
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == len(good) - 1
    assert "internal error while showing an event (IndexError: kind 99" in shown.err
    assert "\x1b" not in shown.err
    assert ODD in error_log.read_text()


def sample(slot: int, port: int) -> bytes:
    head = np.zeros(1, SAMPLE)
    head["key"]["interface_id"], head["bytes"], head["copied"] = slot, 60, 20
    head["key"]["flags"] = FlowFlag.IPV4 | FlowFlag.PORTS
    head["key"]["local_port_be"] = np.uint16(port).byteswap()
    return head.tobytes() + bytes(20)


@pytest.mark.parametrize("to", ["lines", "file"])
def test_a_capture_after_a_packet_that_cannot_be_decoded(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error_log: Path,
    pin_dir: Path,
    tmp_path: Path,
    to: str,
) -> None:
    decoder = SampleDecoder(RecordedNames(), {0: "eth0"}, 256)
    interface: Any = SimpleNamespace(name="eth0", link_header_bytes=14)
    batches = [[sample(0, 1), sample(7, 2), sample(0, 3)], [b"short"], [sample(0, 4)]]

    @contextmanager
    def opened(pins: PinDirectory, _: object, contained: Contained) -> Iterator[Capture]:
        stream = EventStream(pins, [Records(batches, decoder.decode, contained)])
        yield Capture(stream, (interface,), lambda: {"eth0": Counts(5, 5, 0)})

    monkeypatch.setattr(packets, "packet_capture", opened)
    named = ["--pin-dir", str(pin_dir), "-c", "3"]
    written = tmp_path / "out.pcapng"
    if to == "file":
        named += ["-w", str(written)]
    assert run(monkeypatch, "capture", *named) == 0
    shown = capsys.readouterr()
    if to == "file":
        with RawPcapNgReader(str(written)) as reader:
            assert len(list(reader)) == 3
    else:
        ports = [line.partition("0.0.0.0:")[2].split()[0] for line in shown.out.splitlines()]
        assert ports == ["1", "3", "4"]
    assert shown.err.count("internal error while decoding an event (KeyError: 7") == 1
    assert shown.err.count("internal error while decoding an event (error: ") == 1
    assert "3 packets captured" in shown.err
    assert error_log.read_text().count("Traceback") == 2


class _Tables:
    """A table an interval."""

    def __init__(self, *intervals: tuple[int, ...]) -> None:
        self._intervals = list(intervals)

    def next_interval(self) -> tuple[Any, Any]:
        uids = self._intervals.pop(0) if self._intervals else ()
        keys, values = np.zeros(len(uids), LOG_KEY), np.zeros(len(uids), LOG_VALUE)
        keys["uid"], keys["ifindex"], values["bytes"] = uids, uids, 10
        return keys, values


class _Sink:
    failure = None

    def __init__(self) -> None:
        self.uids: list[int] = []

    def open(self) -> dict[int, Any]:
        return {}

    def write(self, rows: Any) -> list[Any]:
        self.uids += [row.uid for row in rows]
        return []

    def reopen(self) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """Nothing to close."""


def test_a_log_after_a_row_that_cannot_be_decoded(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error_log: Path,
    pin_dir: Path,
    tmp_path: Path,
) -> None:
    sink = _Sink()
    names = InterfaceNames(is_inside=False, attached={1: "eth0", 3: "eth0"})
    real = names.name

    def odd(ifindex: int, *, foreign_netns: bool) -> str:
        if ifindex == 2:
            raise KeyError(ODD)
        return real(ifindex, foreign_netns=foreign_netns)

    monkeypatch.setattr(names, "name", odd)
    monkeypatch.setattr(log_recorder, "user_totals", lambda _: {})

    @contextmanager
    def opened(
        pins: PinDirectory, _: object, options: LogOptions, contained: Contained
    ) -> Iterator[Recorder]:
        decoder = EntryDecoder(names)
        rows = [[b"short"], [], []]
        stream = EventStream(pins, [Records(rows, decoder.decode, contained)])
        tables: Any = _Tables((1, 2, 3), (2,), (4,), (5,))
        source = LogSource(tables, decoder, stream, contained)
        journal = Journal(sink, 0, lambda *_: None)  # type: ignore[arg-type]
        monkeypatch.setattr(stream, "require_attached", _raise_after(3))
        yield Recorder(pins, source, journal, options, contained)

    monkeypatch.setattr(log_recorder, "recorder", opened)
    named = ("--pin-dir", str(pin_dir), "--dir", str(tmp_path / "log"), "--interval", "0.1")
    assert run(monkeypatch, "log", *named) == 0
    shown = capsys.readouterr().err
    assert sink.uids == [1, 3, 4, 5]
    assert shown.count("internal error while decoding a row (KeyError") == 1
    assert shown.count("internal error while decoding an event (error") == 1
    assert "\x1b" not in shown
    assert error_log.read_text().count("Traceback") == 2


def _raise_after(rounds: int) -> Callable[[], None]:
    left = [rounds]

    def check() -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    return check


def test_dns_messages_after_one_that_the_learner_fails_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """It leaves the ring buffer like others: else it would come again for ever."""
    real, contained = Learner.read, Contained()

    def odd(learner: Learner, raw: bytes) -> Any:
        if raw == b"odd":
            raise IndexError(ODD)
        return real(learner, raw)

    monkeypatch.setattr(Learner, "read", odd)
    learner = Learner()
    seen: list[Seen] = []
    made = collect.Collector.__new__(collect.Collector)
    made.attached_ifindexes, made._contained = frozenset(), contained
    raws = [b"odd", *(bytes.fromhex(one["raw"]) for one in RECORDED["dns"])]
    made._ring = _Ring(raws)  # type: ignore[assignment]
    progress = collect._Progress(learner, 0, 0)
    count, _ = made._read(progress, float("inf"), seen)
    assert (count, len(seen), progress.read_to) == (len(raws), len(raws) - 1, len(raws))
    assert contained.count == 1
    assert learner.take().losses["malformed"] == 1


class _Ring:
    def __init__(self, raws: list[bytes]) -> None:
        self._raws = raws

    def records(self, position: int) -> Iterator[tuple[bytes, int]]:
        for place in range(position, len(self._raws)):
            yield self._raws[place], place + 1
