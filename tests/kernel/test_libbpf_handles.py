# SPDX-License-Identifier: MIT
"""Ownership: what is closed says so, what is dropped is complained of, nothing leaks."""

from __future__ import annotations

import gc
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.kernel import probe
from tests.kernel.bpf_calls import delete_many
from trafficmon.errors import TrafficmonError
from trafficmon.libbpf import info
from trafficmon.libbpf.handle import Closeable
from trafficmon.libbpf.link import Link, attach_iterator, attach_tracing, read_iterator
from trafficmon.libbpf.map import Map
from trafficmon.libbpf.object import Object, Program
from trafficmon.libbpf.ring import RingBuffer

pytestmark = pytest.mark.kernel

U64 = np.dtype("u8")
KEY = struct.pack("=Q", 1)


@pytest.fixture(scope="module")
def opened(probe_path: Path) -> Iterator[Object]:
    with probe.loaded(probe_path, "probe_tc", "probe_raw_tp", "probe_maps") as made:
        yield made


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def ignore(record: bytes) -> None:
    pass


def make_ring(opened: Object) -> RingBuffer:
    with opened.map("events") as events:
        return RingBuffer(events, ignore)


MAKERS: dict[str, Callable[[Object], Closeable]] = {
    "BPF map table": lambda opened: opened.map("table"),
    "BPF program probe_tc": lambda opened: opened.program("probe_tc"),
    "BPF link probe_raw_tp": lambda opened: attach_tracing(opened, "probe_raw_tp"),
    "ring buffer events": make_ring,
    "BPF object probe.bpf.o": lambda opened: Object(opened.path),
}


@pytest.mark.parametrize("name", list(MAKERS))
def test_closing_twice_is_fine(opened: Object, name: str) -> None:
    before = open_files()
    made = MAKERS[name](opened)
    assert made.is_open()
    assert open_files() >= before
    made.close()
    made.close()
    assert not made.is_open()
    assert open_files() == before


@pytest.mark.parametrize("name", list(MAKERS))
def test_what_is_dropped_is_complained_of_and_closed(opened: Object, name: str) -> None:
    gc.collect()
    before = open_files()
    with pytest.warns(ResourceWarning, match=f"^{name} was not closed$"):
        _make_and_drop(name, opened)
    assert open_files() == before


def _make_and_drop(name: str, opened: Object) -> None:
    MAKERS[name](opened)
    gc.collect()


@pytest.mark.parametrize("name", list(MAKERS))
def test_what_is_closed_is_dropped_in_silence(opened: Object, name: str) -> None:
    with MAKERS[name](opened):
        pass
    gc.collect()  # a warning would fail the test


MAP_USES: list[Callable[[Map], object]] = [
    lambda table: table.fd,
    lambda table: table.lookup(KEY),
    lambda table: table.update(KEY, KEY),
    lambda table: table.delete(KEY),
    lambda table: table.read_all(U64, U64),
    lambda table: table.update_many(np.zeros(1, U64), np.zeros(1, U64)),
    lambda table: delete_many(table, np.zeros(1, U64)),
    lambda table: table.pin("/sys/fs/bpf/tmprobe-closed"),
]


@pytest.mark.parametrize("calls_before", [False, True])
def test_a_closed_map_says_so(opened: Object, calls_before: bool) -> None:
    with opened.map("table") as table:
        if calls_before:
            table.facts()
    for use in MAP_USES:
        with pytest.raises(ValueError, match="BPF map table is closed"):
            use(table)


def test_a_closed_program_says_so(opened: Object) -> None:
    with opened.program("probe_tc") as program:
        pass
    uses: list[Callable[[Program], object]] = [
        lambda program: program.fd,
        probe.run,
        info.program_facts,
        lambda program: program.pin("/sys/fs/bpf/tmprobe-closed"),
    ]
    for use in uses:
        with pytest.raises(ValueError, match="BPF program probe_tc is closed"):
            use(program)


def test_a_closed_link_says_so(opened: Object) -> None:
    with opened.program("probe_tc") as program, attach_iterator(opened, "probe_maps") as link:
        link.close()
        uses: list[Callable[[Link], object]] = [
            lambda link: link.fd,
            lambda link: link.facts(),
            lambda link: link.update(program),
            lambda link: link.detach(),
            read_iterator,
        ]
        for use in uses:
            with pytest.raises(ValueError, match="BPF link probe_maps is closed"):
                use(link)


def test_a_closed_object_says_so(probe_path: Path) -> None:
    """libbpf itself would take the process down."""
    with Object(probe_path) as closed:
        pass
    uses: list[Callable[[Object], object]] = [
        lambda closed: closed.programs(),
        lambda closed: closed.maps(),
        lambda closed: closed.keep_only("probe_tc"),
        lambda closed: closed.set_map_entries({"table": 1}),
        lambda closed: closed.reuse_maps({}),
        lambda closed: closed.allow_frames_of_several_buffers(),
        lambda closed: closed.set_constants({"probe_word": 1}),
        lambda closed: closed.load(),
        lambda closed: closed.program("probe_tc"),
        lambda closed: closed.map("table"),
        lambda closed: attach_tracing(closed, "probe_raw_tp"),
        lambda closed: attach_iterator(closed, "probe_maps"),
    ]
    for use in uses:
        with pytest.raises(ValueError, match=r"BPF object probe\.bpf\.o is closed"):
            use(closed)


def test_one_that_failed_while_being_made_is_dropped_in_silence(tmp_path: Path) -> None:
    with pytest.raises(TrafficmonError):
        Object(tmp_path / "nothing.bpf.o")
    gc.collect()


def test_200_rounds_leak_no_descriptor(probe_path: Path) -> None:
    _one_of_everything(probe_path)  # what is opened once and kept
    before = open_files()
    for _ in range(200):
        _one_of_everything(probe_path)
    assert open_files() == before


def _one_of_everything(path: Path) -> None:
    with (
        probe.loaded(path, "probe_emit", "probe_tp_btf", "probe_maps") as opened,
        opened.program("probe_emit") as program,
        opened.map("events") as events,
        opened.map("table") as table,
        RingBuffer(events, ignore) as ring,
        attach_tracing(opened, "probe_tp_btf") as link,
        attach_iterator(opened, "probe_maps") as iterator,
        probe.free_pin() as pin,
    ):
        probe.run(program, 3)
        assert ring.poll(0) == 3
        table.pin(str(pin))
        with Map.from_pin(str(pin), read_only=True) as again:
            assert len(again.read_all(U64, U64)[0]) == 0
        assert link.facts().program_id
        assert read_iterator(iterator)
        held = info.program_by_id(info.program_facts(program).id)
        assert held is not None
        held.close()
        with pytest.raises(TrafficmonError):
            attach_tracing(opened, "probe_emit")
    with pytest.raises(TrafficmonError):
        Object(path.with_name("nothing.bpf.o"))
    with pytest.raises(TrafficmonError):
        Map.from_pin("/sys/fs/bpf/tmprobe-nothing")


def test_descriptors_are_not_handed_to_children(opened: Object) -> None:
    with opened.map("table") as table, opened.program("probe_tc") as program:
        assert not os.get_inheritable(table.fd)
        assert not os.get_inheritable(program.fd)
    with make_ring(opened) as ring:
        assert not os.get_inheritable(ring.fd)
    with attach_tracing(opened, "probe_raw_tp") as link:
        assert not os.get_inheritable(link.fd)
