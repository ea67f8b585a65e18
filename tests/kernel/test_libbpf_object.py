# SPDX-License-Identifier: MIT
"""Objects and their programs: constants, sizes, shared maps, test runs, and what is refused."""

from __future__ import annotations

import errno
import re
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.kernel import probe
from tests.kernel.bpf_calls import program_ids, run_statistics
from tests.kernel.probe import Counter
from trafficmon.errors import BpfError, BrokenObjectError, MissingPrivilegeError, VerifierError
from trafficmon.libbpf import info
from trafficmon.libbpf.link import Link
from trafficmon.libbpf.object import Object, Program

pytestmark = pytest.mark.kernel

DEFAULTS = [1, 2, 3, 4, -5]


@pytest.fixture
def unloaded(probe_path: Path) -> Iterator[Object]:
    with Object(probe_path) as made:
        yield made


def constants(opened: Object) -> list[int]:
    """What probe_constants finds its constants to be."""
    with opened.program("probe_constants") as program, opened.map("array") as array:
        probe.run(program)
        return [int(value) for value in array.read_array(np.dtype("i8"))[: len(DEFAULTS)]]


def test_constants_are_what_the_source_says_until_they_are_set(probe_path: Path) -> None:
    with probe.loaded(probe_path, "probe_constants") as opened:
        assert constants(opened) == DEFAULTS


@pytest.mark.parametrize(
    "values",
    [
        {"probe_word": 0xDEADBEEF},
        {"probe_byte": 255, "probe_short": 65535, "probe_long": 2**63 - 1},
        {"probe_byte": 0, "probe_short": 0, "probe_word": 0, "probe_long": 0},
    ],
)
def test_constants_are_set_each_to_its_size(unloaded: Object, values: dict[str, int]) -> None:
    unloaded.keep_only("probe_constants")
    unloaded.set_constants(values)
    unloaded.load()
    names = ["probe_byte", "probe_short", "probe_word", "probe_long", "probe_signed"]
    expected = dict(zip(names, DEFAULTS, strict=True)) | values
    assert constants(unloaded) == list(expected.values())


def test_a_constant_that_is_not_there(unloaded: Object) -> None:
    with pytest.raises(
        BpfError, match=r"cannot find constant probe_nothing in .*No such"
    ) as caught:
        unloaded.set_constants({"probe_word": 1, "probe_nothing": 1})
    assert caught.value.errno == errno.ENOENT


def test_a_value_too_large_for_its_constant(unloaded: Object) -> None:
    with pytest.raises(OverflowError):
        unloaded.set_constants({"probe_byte": 256})


def test_what_is_loaded_cannot_be_set_any_more(probe_path: Path) -> None:
    with probe.loaded(probe_path, "probe_constants") as opened:
        with pytest.raises(BpfError, match="cannot set constants of"):
            opened.set_constants({"probe_word": 9})
        with pytest.raises(BpfError, match="cannot size map table: Device or resource busy"):
            opened.set_map_entries({"table": 9})
        with pytest.raises(BpfError, match=f"cannot load {opened.path}"):
            opened.load()
        assert constants(opened) == DEFAULTS


def test_programs_and_maps_by_name(unloaded: Object) -> None:
    assert {"probe_xdp", "probe_tc", "probe_refused", "probe_maps"} <= unloaded.programs().keys()
    assert {"table", "lru", "array", "events", "percpu_array"} <= unloaded.maps().keys()


def test_only_what_is_kept_is_loaded(probe_path: Path) -> None:
    with probe.loaded(probe_path, "probe_tc") as opened:
        with opened.program("probe_tc") as program:
            assert info.program_facts(program).name == "probe_tc"
        with pytest.raises(ValueError, match="probe_xdp is not loaded"):
            opened.program("probe_xdp")


def test_before_loading_there_is_nothing_to_hold(unloaded: Object) -> None:
    with pytest.raises(ValueError, match="probe_tc is not loaded"):
        unloaded.program("probe_tc")
    with pytest.raises(ValueError, match="table is not loaded"):
        unloaded.map("table")


def test_sizes_of_maps(probe_path: Path) -> None:
    with (
        probe.loaded(probe_path, sizes={"table": 3, "array": 5}) as opened,
        opened.map("table") as table,
        opened.map("array") as array,
    ):
        assert table.facts().max_entries == 3
        assert len(array.read_array(np.dtype("u8"))) == 5


def test_programs_of_two_objects_share_maps(probe_path: Path) -> None:
    with (
        probe.loaded(probe_path, "probe_tc") as first,
        first.map("runs") as shared,
        Object(probe_path) as second,
    ):
        second.keep_only("probe_tc_second")
        second.reuse_maps({"runs": shared})
        second.load()
        with first.program("probe_tc") as one, second.program("probe_tc_second") as other:
            probe.run(one, 3)
            probe.run(other, 4)
        assert probe.runs(first, Counter.FIRST) == 3
        assert probe.runs(first, Counter.SECOND) == probe.runs(second, Counter.SECOND) == 4
        with second.map("runs") as reused, second.map("table") as own, first.map("table") as table:
            assert reused.facts() == shared.facts()
            assert own.facts().id != table.facts().id


def test_a_test_run_returns_answer_time_and_frame(probe_path: Path) -> None:
    frame = bytes(range(64))
    with (
        probe.loaded(probe_path, "probe_lengthen", "probe_tc", "probe_xdp") as opened,
        opened.program("probe_lengthen") as lengthen,
        opened.program("probe_tc") as tc,
        opened.program("probe_xdp") as xdp,
    ):
        ran = probe.run(lengthen, 1, frame, room=4)
        assert ran.result == 20
        assert ran.data == frame + bytes(4)
        with pytest.raises(BpfError, match="cannot test-run probe_lengthen: No space left"):
            probe.run(lengthen, 1, frame)

        for program, answer in ((tc, 0xFFFFFFFF), (xdp, 2)):
            ran = probe.run(program, 1000, frame)
            assert (ran.result, ran.data) == (answer, frame)
            assert 0 <= ran.duration_ns < 100_000
        assert probe.runs(opened, Counter.FIRST) == 2000
        with pytest.raises(BpfError, match="cannot test-run probe_tc: Invalid argument"):
            probe.run(tc, 1, bytes(13))


def test_the_verifier_refuses_and_its_log_is_whole(unloaded: Object) -> None:
    unloaded.keep_only("probe_tc", "probe_refused")
    with pytest.raises(VerifierError) as caught:
        unloaded.load()
    error = caught.value
    assert error.errno == errno.EACCES
    lines = [line for line in error.log.splitlines() if line.strip()]
    assert "probe_refused" in error.subject
    assert any("invalid mem access 'map_value_or_null'" in line for line in lines)
    assert lines[-1].startswith("processed ")
    reported = str(error)
    assert re.search(
        r"^cannot load BPF program probe_refused: .*: R\d invalid mem access 'map_value_or_null' "
        r"\(\d+ lines of the verifier's log omitted; --debug shows them\)$",
        reported,
    )


GARBAGE = {
    "empty": b"",
    "text": b"#!/bin/sh\necho no object\n",
    "elf magic alone": b"\x7fELF",
    "elf header of zeroes": b"\x7fELF\x02\x01\x01".ljust(64, b"\0"),
}


@pytest.mark.parametrize("content", list(GARBAGE.values()), ids=list(GARBAGE))
def test_garbage_is_no_object(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.bpf.o"
    path.write_bytes(content)
    with pytest.raises(
        BrokenObjectError, match=r"broken\.bpf\.o is not a usable BPF object"
    ) as caught:
        Object(path)
    assert "make bpf" in str(caught.value)


def test_a_missing_or_damaged_file_is_no_object(tmp_path: Path, probe_path: Path) -> None:
    with pytest.raises(BrokenObjectError, match="No such file"):
        Object(tmp_path / "nothing.bpf.o")
    cut = tmp_path / "cut.bpf.o"
    cut.write_bytes(probe_path.read_bytes()[:3000])
    with pytest.raises(BrokenObjectError, match=r"cut\.bpf\.o"):
        Object(cut)


PLAIN = """\
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

SEC("tc")
int plain(struct __sk_buff *skb)
{
	return 7;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
"""


def test_an_object_without_constants(tmp_path: Path) -> None:
    source = tmp_path / "plain.bpf.c"
    source.write_text(PLAIN)
    with Object(probe.compiled(tmp_path, source)) as opened:
        with pytest.raises(BrokenObjectError, match=r"plain\.bpf\.o has no constants; .*make bpf"):
            opened.set_constants({"probe_word": 1})
        opened.load()
        with opened.program("plain") as program:
            assert probe.run(program).result == 7


LOOP = PLAIN.replace("return 7;", "for (;;)\n\t\tskb->mark++;")


def test_the_verifiers_last_words_are_not_its_decisive_ones(tmp_path: Path) -> None:
    """After what is wrong it puts whole states of its registers."""
    source = tmp_path / "loop.bpf.c"
    source.write_text(LOOP)
    with Object(probe.compiled(tmp_path, source)) as opened, pytest.raises(VerifierError) as caught:
        opened.load()
    assert "infinite loop detected" in str(caught.value) or "back-edge" in str(caught.value)


def test_a_program_outlives_its_object_and_is_found_by_its_pin(probe_path: Path) -> None:
    with probe.free_pin() as pin:
        with probe.loaded(probe_path, "probe_tc") as opened, opened.program("probe_tc") as program:
            facts = info.program_facts(program)
            program.pin(str(pin))
            with pytest.raises(
                BpfError, match=f"cannot pin BPF program probe_tc at {pin}: File exi"
            ):
                program.pin(str(pin))
        for read_only in (False, True):
            with Program.from_pin(str(pin), read_only=read_only) as program:
                assert program.name == pin.name
                assert info.program_facts(program) == facts
        with Program.from_pin(str(pin)) as program:
            assert probe.run(program).result == 0xFFFFFFFF


def test_a_pin_of_another_kind_is_refused(probe_path: Path) -> None:
    with (
        probe.free_pin() as pin,
        probe.loaded(probe_path) as opened,
        opened.map("table") as table,
    ):
        table.pin(str(pin))
        for kind in (Program, Link):
            with pytest.raises(BpfError, match="another kind of object is pinned there"):
                kind.from_pin(str(pin))


def test_pins_live_in_the_bpf_file_system_only(probe_path: Path, tmp_path: Path) -> None:
    with (
        probe.loaded(probe_path) as opened,
        opened.map("table") as table,
        pytest.raises((BpfError, MissingPrivilegeError), match="pin BPF map table at"),
    ):
        table.pin(str(tmp_path / "nowhere"))


def test_facts_of_programs(probe_path: Path) -> None:
    with probe.loaded(probe_path, "probe_xdp") as opened, opened.program("probe_xdp") as program:
        facts = info.program_facts(program)
        assert (facts.type, facts.name) == (6, "probe_xdp")
        assert facts.jited_bytes > 0
        assert facts.id in list(program_ids())
        again = info.program_by_id(facts.id)
        assert again is not None
        with again:
            assert info.program_facts(again) == facts
    assert info.program_by_id(0x7FFFFFFF) is None


def test_run_statistics_count_while_they_are_on(probe_path: Path) -> None:
    with probe.loaded(probe_path, "probe_tc") as opened, opened.program("probe_tc") as program:
        with run_statistics():
            probe.run(program, 500)
        facts = info.program_facts(program)
        assert facts.run_count == 500
        assert facts.run_time_ns > 0
        assert facts.missed_runs == 0
        setting = Path("/proc/sys/kernel/bpf_stats_enabled").read_text().strip() == "1"
        assert info.statistics_are_on() == setting
        probe.run(program, 100)
        assert info.program_facts(program).run_count == (600 if setting else 500)


def test_maps_begin_empty(probe_path: Path) -> None:
    with probe.loaded(probe_path) as opened, opened.map("runs") as runs:
        assert runs.lookup(struct.pack("=I", 0)) == bytes(8)
