# SPDX-License-Identifier: MIT
"""One stream, many subscribers: order, counts, and no one's slowness is another's loss."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.waiting import wait_until
from trafficmon.errors import NotAttachedError
from trafficmon.events import presence, stream
from trafficmon.events.stream import EventStream, Losses, Subscription
from trafficmon.pins import PinDirectory


@dataclass(frozen=True)
class Tick:
    at_ns: int


def ticks(*times: int) -> list[Tick]:
    return [Tick(one) for one in times]


@dataclass
class FakeSource:
    """Each read has the next of ``parts``; ``rest`` is there once it was stopped."""

    parts: list[list[Tick]] = field(default_factory=list)
    rest: list[list[Tick]] = field(default_factory=list)
    lost: Losses = field(default_factory=Losses)
    fd: int | None = None

    def read(self) -> list[Tick]:
        return self.parts.pop(0) if self.parts else []

    def stop(self) -> None:
        self.parts = self.rest

    def losses(self) -> Losses:
        return self.lost


@pytest.fixture
def pins(tmp_path: Path) -> PinDirectory:
    pins = PinDirectory(tmp_path)
    pins.map("meta").parent.mkdir()
    pins.map("meta").touch()
    return pins


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(presence, "_LOOK_EVERY_S", 0.0)


def interrupt_when(source: FakeSource) -> Callable[[], None]:
    """Ctrl-C, when ``source`` has nothing more to give."""

    def check() -> None:
        if not source.parts:
            raise KeyboardInterrupt

    return check


def all_of(batches: Iterator[list[Tick]]) -> list[int]:
    return [one.at_ns for batch in batches for one in batch]


def test_several_sources_are_one_sequence_in_order_of_time(pins: PinDirectory) -> None:
    first, second = FakeSource([ticks(5, 1), ticks(9)]), FakeSource([ticks(4, 2, 3), ticks(8)])
    made = EventStream(pins, [first, second])
    assert made.read() == ticks(1, 2, 3, 4, 5)
    assert made.read() == ticks(8, 9)
    assert made.read() == []


def test_events_of_one_moment_stay_in_the_order_of_their_source(pins: PinDirectory) -> None:
    @dataclass(frozen=True)
    class Named(Tick):
        name: str

    events: list[Tick] = [Named(7, "b"), Named(7, "a"), Named(7, "c"), Named(1, "z")]
    made = EventStream(pins, [FakeSource([events])])
    assert made.read() == [events[3], *events[:3]]


def test_losses_are_those_of_all_sources(pins: PinDirectory) -> None:
    sources = [FakeSource(lost=Losses(1, 20, 300)), FakeSource(lost=Losses(4, 50, 600))]
    assert EventStream(pins, sources).losses() == Losses(5, 70, 900)
    assert EventStream(pins, []).losses() == Losses(0, 0, 0)


def test_each_subscriber_gets_each_event_that_it_wants(pins: PinDirectory) -> None:
    made = EventStream(pins, [FakeSource([ticks(1, 2), ticks(3)])])
    every = made.subscribe(Subscription[Tick]())
    odd = made.subscribe(Subscription[Tick](wants=lambda one: one.at_ns % 2 == 1))
    made.read()
    late = made.subscribe(Subscription[Tick]())
    made.read()
    assert (every.take(), odd.take(), late.take()) == (ticks(1, 2, 3), ticks(1, 3), ticks(3))
    assert every.take() == []


@pytest.mark.parametrize("room", [1, 3, 4, 5])
def test_a_slow_subscriber_loses_its_oldest_and_they_are_counted(
    pins: PinDirectory, room: int
) -> None:
    made = EventStream(pins, [FakeSource([ticks(1, 2), ticks(3, 4)])])
    slow = made.subscribe(Subscription[Tick](room))
    quick = made.subscribe(Subscription[Tick](room=2))
    taken = []
    for _ in range(2):
        made.read()
        taken += quick.take()
    assert (taken, quick.lost) == (ticks(1, 2, 3, 4), 0)
    kept = ticks(1, 2, 3, 4)[-room:]
    assert (slow.take(), slow.lost) == (kept, 4 - len(kept))


def test_one_batch_that_is_larger_than_the_room(pins: PinDirectory) -> None:
    made = EventStream(pins, [FakeSource([ticks(*range(10))])])
    small = made.subscribe(Subscription[Tick](3))
    made.read()
    assert (small.take(), small.lost) == (ticks(7, 8, 9), 7)


def test_what_is_kept_for_showing_stays(pins: PinDirectory) -> None:
    made = EventStream(pins, [FakeSource([ticks(1, 2, 3)])])
    shown = made.subscribe(Subscription[Tick](2))
    made.read()
    assert shown.kept() == shown.kept() == ticks(2, 3)


def test_a_subscriber_that_never_takes_delays_no_other(pins: PinDirectory) -> None:
    """In threads of their own: one hangs, the other has all events while it does."""
    many = 200
    source = FakeSource([ticks(number) for number in range(many)])
    made, hangs = EventStream(pins, [source]), threading.Event()
    slow, quick = (made.subscribe(Subscription[Tick](room)) for room in (10, None))
    got: list[Tick] = []

    def take_one_and_hang() -> None:
        for _ in slow:
            hangs.wait(30)

    threads = [
        threading.Thread(target=take_one_and_hang),
        threading.Thread(target=lambda: got.extend(quick)),
    ]
    for thread in threads:
        thread.start()
    for _ in range(many):
        made.read()
    wait_until(lambda: len(got) >= many)
    assert got == ticks(*range(many))
    assert threads[0].is_alive()
    assert slow.lost >= many - 2 * 10
    made.close()
    hangs.set()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_closing_wakes_who_waits_and_leaves_what_was_delivered(pins: PinDirectory) -> None:
    made = EventStream(pins, [FakeSource([ticks(1, 2)])])
    one, other = made.subscribe(Subscription[Tick]()), made.subscribe(Subscription[Tick]())
    made.read()
    one.take()
    waited: list[list[Tick]] = []
    thread = threading.Thread(target=lambda: waited.append(one.take(60)))
    thread.start()
    made.close()
    thread.join(10)
    assert waited == [[]]
    assert list(other) == ticks(1, 2)


def test_taking_waits_for_the_next_events(pins: PinDirectory) -> None:
    made = EventStream(pins, [FakeSource([ticks(1)])])
    waiting = made.subscribe(Subscription[Tick]())
    assert waiting.take(0.01) == []
    threading.Timer(0.05, made.read).start()
    assert waiting.take(30) == ticks(1)


def test_batches_end_with_an_interrupt_after_all_that_was_made(pins: PinDirectory) -> None:
    source = FakeSource([ticks(1), [], ticks(2)], rest=[ticks(3), ticks(4)])
    made = EventStream(pins, [source])
    assert all_of(made.batches(check=interrupt_when(source))) == [1, 2, 3, 4]


def test_what_never_ends_coming_does_not_keep_it_from_ending(pins: PinDirectory) -> None:
    source = FakeSource(rest=[ticks(number) for number in range(1000)])
    made = EventStream(pins, [source])
    assert len(all_of(made.batches(check=interrupt_when(source)))) == 64


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_so_many_and_no_more(pins: PinDirectory, count: int) -> None:
    source = FakeSource([ticks(1, 2), ticks(3), [], ticks(4, 5, 6)])
    assert all_of(EventStream(pins, [source]).batches(count=count)) == list(range(1, count + 1))


def test_a_count_is_of_the_selected_ones(pins: PinDirectory) -> None:
    source = FakeSource([ticks(1, 2, 3), ticks(4, 5)])
    even = EventStream(pins, [source]).batches(lambda one: one.at_ns % 2 == 0, count=2)
    assert all_of(even) == [2, 4]


def test_a_count_that_is_not_reached_until_the_interrupt(pins: PinDirectory) -> None:
    source = FakeSource([ticks(1)], rest=[ticks(2), ticks(3)])
    check = interrupt_when(source)
    assert all_of(EventStream(pins, [source]).batches(count=2, check=check)) == [1, 2]


def test_an_attachment_that_is_detached_ends_the_stream(pins: PinDirectory) -> None:
    made = EventStream(pins, [FakeSource([ticks(1), ticks(2)])])
    batches = made.batches()
    assert next(batches) == ticks(1)
    pins.map("meta").unlink()
    with pytest.raises(NotAttachedError, match="run 'trafficmon attach' and start again"):
        next(batches)


def test_an_attachment_that_was_replaced_is_another(pins: PinDirectory) -> None:
    made = EventStream(pins, [FakeSource()])
    made.require_attached()
    fresh = pins.map("meta").with_name("fresh")
    fresh.touch()
    fresh.replace(pins.map("meta"))
    with pytest.raises(NotAttachedError):
        made.require_attached()


def test_waiting_ends_when_a_source_is_readable(pins: PinDirectory) -> None:
    ours, theirs = os.pipe()
    try:
        made = EventStream(pins, [FakeSource(), FakeSource(fd=ours)])
        assert not made.wait(0.01)
        os.write(theirs, b"x")
        begun = time.monotonic()
        assert made.wait(60)
        assert time.monotonic() - begun < 30
    finally:
        os.close(ours)
        os.close(theirs)
