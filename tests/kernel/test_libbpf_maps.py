# SPDX-License-Identifier: MIT
"""Maps of every kind: single values, batches, and sizes that do not fit."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kernel import probe
from tests.kernel.bpf_calls import delete_many
from trafficmon.errors import BpfError, MissingPrivilegeError
from trafficmon.libbpf import rawmap
from trafficmon.libbpf.map import Map
from trafficmon.libbpf.object import Object
from trafficmon.libbpf.rawmap import BPF_NOEXIST
from trafficmon.libbpf.system import possible_cpus

pytestmark = pytest.mark.kernel

U64 = np.dtype("u8")
PROBE_VALUE = np.dtype([("first", "u4"), ("second", "u4"), ("third", "u4")])
HASHES = ["table", "lru"]


@pytest.fixture(scope="module")
def opened(probe_path: Path) -> Iterator[Object]:
    with probe.loaded(probe_path, "probe_count_per_cpu") as made:
        yield made


@pytest.fixture(params=HASHES)
def table(request: pytest.FixtureRequest, opened: Object) -> Iterator[Map]:
    """A hash map for 4096 entries, empty."""
    with opened.map(request.param) as made:
        empty(made)
        yield made


def empty(table: Map) -> None:
    keys, _ = table.read_all(U64, U64)
    assert delete_many(table, keys) == len(keys)


def fill(table: Map, count: int) -> dict[int, int]:
    """``count`` entries; what they are."""
    keys = np.arange(count, dtype=np.uint64) * 0x9E3779B97F4A7C15
    values = np.arange(count, dtype=np.uint64) + 7
    table.update_many(keys, values)
    return dict(zip(keys.tolist(), values.tolist(), strict=True))


def contents(table: Map) -> dict[int, int]:
    keys, values = table.read_all(U64, U64)
    assert keys.dtype == values.dtype == U64
    found = dict(zip(keys.tolist(), values.tolist(), strict=True))
    assert len(found) == len(keys), "a key twice"
    return found


def packed(number: int) -> bytes:
    return struct.pack("=Q", number)


@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_all_of_a_hash(table: Map, count: int) -> None:
    expected = fill(table, count)
    assert contents(table) == expected
    assert len(expected) == count


def test_a_full_hash(opened: Object) -> None:
    with opened.map("table") as table:
        empty(table)
        expected = fill(table, 4096)
        assert contents(table) == expected
        with pytest.raises(BpfError, match="cannot write map table: Argument list too long"):
            table.update(packed(1), packed(1), BPF_NOEXIST)
        empty(table)


def test_a_full_lru_drops_some_and_says_nothing(opened: Object) -> None:
    with opened.map("lru") as lru:
        written = fill(lru, 20_000)
        kept = contents(lru)
        assert 1000 < len(kept) <= 4096
        assert kept.items() <= written.items()
        empty(lru)


@pytest.mark.parametrize("first_step", [1, 2, 16])
def test_a_bucket_with_more_entries_than_room(
    table: Map, first_step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ENOSPC: the kernel hands over whole buckets only."""
    monkeypatch.setattr(rawmap, "_LARGEST_BATCH", first_step)
    answers: list[str] = []
    read_batch = rawmap._BatchReader._batch

    def listening(self: Any, *arguments: Any, **more: Any) -> tuple[int, str]:
        got, state = read_batch(self, *arguments, **more)
        answers.append(state)
        return got, state

    monkeypatch.setattr(rawmap._BatchReader, "_batch", listening)
    expected = fill(table, 3000)
    assert contents(table) == expected
    assert answers[-1] == "end"
    assert answers.count("more") > 1
    # In this many buckets of 3000 entries some hold two and more, but none 17.
    assert ("bucket" in answers) == (first_step < 16)


def test_200_000_entries(probe_path: Path) -> None:
    """More than one batch, and more than the first room."""
    with (
        probe.loaded(probe_path, sizes={"table": 200_000}) as opened,
        opened.map("table") as table,
    ):
        expected = fill(table, 200_000)
        assert contents(table) == expected
        half = np.array(list(expected)[::2], np.uint64)
        assert delete_many(table, half) == len(half) == 100_000
        kept = {key: expected[key] for key in list(expected)[1::2]}
        assert contents(table) == kept


@pytest.mark.parametrize("first_step", [1, 5, 16, 1 << 17])
def test_all_of_an_array_in_the_order_of_its_indexes(
    opened: Object, first_step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rawmap, "_LARGEST_BATCH", first_step)
    with opened.map("array") as array:
        expected = np.arange(100, 116, dtype=np.uint64)
        array.update_many(np.arange(16, dtype=np.uint32), expected)
        keys, values = array.read_all(np.dtype("u4"), U64)
        assert keys.tolist() == list(range(16))
        assert values.tolist() == array.read_array(U64).tolist() == expected.tolist()
        assert array.lookup(struct.pack("=I", 3)) == packed(103)
        assert array.lookup(struct.pack("=I", 16)) is None


PADDED = np.dtype([("value", PROBE_VALUE), ("pad", "u4")])


def test_per_cpu_values_are_those_of_all_cpus_in_a_row(opened: Object) -> None:
    allowed = os.sched_getaffinity(0)
    with (
        opened.program("probe_count_per_cpu") as program,
        opened.map("percpu_table") as table,
        opened.map("percpu_array") as array,
    ):
        try:
            for cpu in allowed:
                os.sched_setaffinity(0, {cpu})
                probe.run(program, repeat=cpu + 1)
        finally:
            os.sched_setaffinity(0, allowed)

        for one, key in ((table, 77), (array, 1)):
            raw = one.lookup(struct.pack("=I", key))
            assert raw is not None
            assert len(raw) == one.value_bytes() == 16 * possible_cpus()
            values = np.frombuffer(raw, PADDED)["value"]
            assert [values[cpu].tolist() for cpu in allowed] == [
                (cpu + 1, 0, cpu) for cpu in allowed
            ]
        with pytest.raises(BpfError, match=f"value takes {16 * possible_cpus()} bytes, not 12"):
            table.read_all(np.dtype("u4"), PROBE_VALUE)


KEY = st.integers(0, 40)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("update"), KEY, st.integers(0, 2**64 - 1)),
        st.tuples(st.just("delete"), KEY),
        st.tuples(st.just("update_many"), st.dictionaries(KEY, st.integers(0, 2**64 - 1))),
        st.tuples(st.just("delete_many"), st.lists(KEY, unique=True)),
        st.tuples(st.just("lookup"), KEY),
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(steps=STEPS)
def test_a_hash_behaves_as_a_dict(opened: Object, steps: list[Any]) -> None:
    model: dict[int, int] = {}
    with opened.map("table") as table:
        empty(table)
        for step, *what in steps:
            _take_step(table, model, step, what)
            assert contents(table) == model


def _take_step(table: Map, model: dict[int, int], step: str, what: list[Any]) -> None:
    if step == "update":
        key, value = what
        table.update(packed(key), packed(value))
        model[key] = value
    elif step == "delete":
        assert table.delete(packed(what[0])) == (what[0] in model)
        model.pop(what[0], None)
    elif step == "update_many":
        keys, values = (np.array(list(part), np.uint64) for part in (what[0], what[0].values()))
        table.update_many(keys, values)
        model.update(what[0])
    elif step == "delete_many":
        (doomed,) = what
        taken = delete_many(table, np.array(doomed, np.uint64))
        known = [key in model for key in doomed]
        assert taken == (known.index(False) if False in known else len(doomed))
        for key in doomed[:taken]:
            del model[key]
    else:
        held = model.get(what[0])
        assert table.lookup(packed(what[0])) == (None if held is None else packed(held))


def test_rows_that_do_not_lie_side_by_side(table: Map) -> None:
    both = np.arange(40, dtype=np.uint64).reshape(20, 2)
    table.update_many(both[:, 0], both[:, 1])
    assert contents(table) == {2 * row: 2 * row + 1 for row in range(20)}
    assert delete_many(table, both[::2, 0]) == 10
    assert contents(table) == {2 * row: 2 * row + 1 for row in range(1, 20, 2)}


def test_sizes_that_do_not_fit_are_refused(opened: Object) -> None:
    """The kernel would read, or write, past the end of what it was given."""
    some = np.arange(4, dtype=np.uint64)
    with opened.map("table") as table:
        attempts: list[Callable[[], object]] = [
            lambda: table.lookup(b"1234"),
            lambda: table.delete(bytes(9)),
            lambda: table.update(b"", packed(1)),
            lambda: table.update(packed(1), b"1234567"),
            lambda: table.update_many(some, some[:3]),
            lambda: table.update_many(some.astype(np.uint32), some),
            lambda: table.update_many(some, some.astype(np.uint32)),
            lambda: delete_many(table, some.astype(np.uint32)),
            lambda: table.read_all(np.dtype("u4"), U64),
            lambda: table.read_all(U64, np.dtype("u4")),
        ]
        for attempt in attempts:
            with pytest.raises(BpfError, match=r"map table: .*takes \d+ bytes, not \d+") as caught:
                attempt()
            assert caught.value.errno == errno.EINVAL
    with (
        opened.map("percpu_table") as table,
        pytest.raises(BpfError, match=f"value takes {16 * possible_cpus()} bytes, not 12"),
    ):
        table.update(struct.pack("=I", 1), bytes(12))


def test_facts(opened: Object) -> None:
    with opened.map("percpu_table") as table:
        facts = table.facts()
        assert (facts.type, facts.name, facts.key_bytes, facts.value_bytes, facts.max_entries) == (
            5,
            "percpu_table",
            4,
            12,
            64,
        )
        with opened.map("percpu_table") as again:
            assert again.facts() == facts
        with opened.map("table") as other:
            assert other.facts().id != facts.id


def test_a_map_outlives_its_object_and_is_found_by_its_pin(probe_path: Path) -> None:
    with probe.free_pin() as pin:
        with probe.loaded(probe_path) as opened, opened.map("table") as table:
            expected = fill(table, 10)
            table.pin(str(pin))
        with Map.from_pin(str(pin)) as table:
            assert table.name == pin.name
            assert contents(table) == expected
            table.update(packed(1), packed(2))
            assert contents(table) == {**expected, 1: 2}


def test_a_read_only_pin_refuses_to_be_written(probe_path: Path) -> None:
    with (
        probe.free_pin() as pin,
        probe.loaded(probe_path) as opened,
        opened.map("table") as table,
    ):
        expected = fill(table, 10)
        table.pin(str(pin))
        with Map.from_pin(str(pin), read_only=True) as reader:
            assert contents(reader) == expected
            assert reader.lookup(packed(0)) == packed(7)
            assert reader.facts() == table.facts()
            some = np.arange(4, dtype=np.uint64)
            for attempt in (
                lambda: reader.update(packed(1), packed(2)),
                lambda: reader.delete(packed(0)),
                lambda: reader.update_many(some, some),
                lambda: delete_many(reader, some),
            ):
                with pytest.raises(MissingPrivilegeError, match=r"no permission to .* map tmprobe"):
                    attempt()
        assert contents(table) == expected


def test_what_is_not_pinned_cannot_be_opened() -> None:
    with pytest.raises(BpfError, match="cannot open BPF map /sys/fs/bpf/tmprobe-none: No such"):
        Map.from_pin("/sys/fs/bpf/tmprobe-none")
