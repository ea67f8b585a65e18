# SPDX-License-Identifier: MIT
"""Ring buffers: every record once and in order, and what goes wrong in a handler is not lost."""

from __future__ import annotations

import select
import signal
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kernel import probe
from trafficmon.errors import BpfError
from trafficmon.libbpf.object import Object, Program
from trafficmon.libbpf.ring import RingBuffer

pytestmark = pytest.mark.kernel

RECORD = struct.Struct("=Q8s")  # struct probe_record
ROOM = 65536 // (8 + RECORD.size)  # records with their headers


class Ring:
    """The ring buffer of a fresh object, its program, and the numbers that came out of it."""

    def __init__(self, opened: Object, program: Program) -> None:
        self.opened = opened
        self.program = program
        self.numbers: list[int] = []

    def emit(self, count: int) -> None:
        """Let the kernel write ``count`` records."""
        probe.run(self.program, repeat=count)

    def take(self, record: bytes) -> None:
        """The handler."""
        number, text = RECORD.unpack(record)
        assert text == b"record\0\0"
        self.numbers.append(number)

    @contextmanager
    def consumer(self, handler: Callable[[bytes], None] | None = None) -> Iterator[RingBuffer]:
        """Its one consumer."""
        with self.opened.map("events") as events, RingBuffer(events, handler or self.take) as made:
            yield made


@pytest.fixture
def ring(probe_path: Path) -> Iterator[Ring]:
    with (
        probe.loaded(probe_path, "probe_emit") as opened,
        opened.program("probe_emit") as program,
    ):
        yield Ring(opened, program)


def test_records_come_in_order_and_once(ring: Ring) -> None:
    with ring.consumer() as consumer:
        assert consumer.poll(0) == 0
        ring.emit(1000)
        assert consumer.poll(0) == 1000
        ring.emit(7)
        assert consumer.poll(1000) == 7
        assert consumer.poll(0) == 0
    assert ring.numbers == list(range(1007))


def test_what_was_written_before_the_consumer_came(ring: Ring) -> None:
    ring.emit(3)
    with ring.consumer() as consumer:
        assert consumer.poll(0) == 3
    assert ring.numbers == [0, 1, 2]


def test_without_room_the_kernel_drops_and_counts(ring: Ring) -> None:
    with ring.consumer() as consumer:
        ring.emit(ROOM + 500)
        got = consumer.poll(0)
        ring.emit(10)
        consumer.poll(0)
    assert ROOM - 1 <= got <= ROOM
    assert probe.runs(ring.opened, probe.Counter.NO_ROOM) == ROOM + 500 - got
    assert ring.numbers == list(range(got + 10))


def test_many_records_while_they_are_read(ring: Ring) -> None:
    rounds, each = 2000, 100

    def write() -> None:
        for _ in range(rounds):
            ring.emit(each)

    writer = threading.Thread(target=write)
    with ring.consumer() as consumer:
        writer.start()
        polled = 0
        while writer.is_alive():
            polled += consumer.poll(10)
        polled += consumer.poll(0)
    writer.join()
    dropped = probe.runs(ring.opened, probe.Counter.NO_ROOM)
    assert ring.numbers == list(range(polled))
    assert polled + dropped == rounds * each


def test_what_the_handler_raises_comes_out_of_poll_and_the_rest_later(ring: Ring) -> None:
    def fail_at_five(record: bytes) -> None:
        ring.take(record)
        if ring.numbers[-1] == 5:
            raise LookupError("five")

    with ring.consumer(fail_at_five) as consumer:
        ring.emit(20)
        with pytest.raises(LookupError, match="five"):
            consumer.poll(0)
        assert ring.numbers == list(range(6))
        assert consumer.poll(1000) == 14
        assert ring.numbers == list(range(20))
        assert consumer.poll(0) == 0


def test_ctrl_c_in_the_handler_stays_ctrl_c(ring: Ring, capfd: pytest.CaptureFixture[str]) -> None:
    def interrupted(record: bytes) -> None:
        ring.take(record)
        if len(ring.numbers) == 1:
            raise KeyboardInterrupt

    with ring.consumer(interrupted) as consumer:
        ring.emit(3)
        with pytest.raises(KeyboardInterrupt):
            consumer.poll(0)
        assert consumer.poll(0) == 2
    assert capfd.readouterr().err == ""


def test_poll_waits_for_the_first_record_and_no_longer(ring: Ring) -> None:
    with ring.consumer() as consumer:
        began = time.monotonic()
        assert consumer.poll(100) == 0
        assert 0.09 < time.monotonic() - began < 5

        later = threading.Timer(0.1, ring.emit, [2])
        later.start()
        began = time.monotonic()
        while not ring.numbers:
            consumer.poll(10_000)
        assert 0.05 < time.monotonic() - began < 5
        later.join()
        consumer.poll(0)
        assert ring.numbers == [0, 1]


def test_a_signal_ends_the_wait_and_is_no_error(ring: Ring) -> None:
    """Such as SIGWINCH, when someone resizes the terminal."""
    seen: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: seen.append(number))
    try:
        with ring.consumer() as consumer:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            began = time.monotonic()
            assert consumer.poll(20_000) == 0
            assert time.monotonic() - began < 10
            assert seen == [signal.SIGALRM]
            ring.emit(1)
            assert consumer.poll(0) == 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_its_descriptor_says_when_there_is_something(ring: Ring) -> None:
    with ring.consumer() as consumer:
        assert select.select([consumer.fd], [], [], 0)[0] == []
        ring.emit(1)
        assert select.select([consumer.fd], [], [], 5)[0] == [consumer.fd]
        consumer.poll(0)
        assert select.select([consumer.fd], [], [], 0)[0] == []


def test_another_kind_of_map_is_no_ring_buffer(ring: Ring) -> None:
    with (
        ring.opened.map("array") as array,
        pytest.raises(BpfError, match="cannot open ring buffer array: Invalid argument"),
    ):
        RingBuffer(array, ring.take)


def test_a_closed_ring_buffer_says_so(ring: Ring) -> None:
    with ring.consumer() as consumer:
        consumer.close()
        consumer.close()
        with pytest.raises(ValueError, match="ring buffer events is closed"):
            consumer.poll(0)
        with pytest.raises(ValueError, match="ring buffer events is closed"):
            _ = consumer.fd
