# SPDX-License-Identifier: MIT
"""Table and cache read as one, while slots are written back and taken over between our looks.

The kernel's side is played here: a table, a cache of two-way sets, and packets that go into them
each time when the reader has looked somewhere. All of them carry one byte each, so that a total
says at once how many packets it has.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trafficmon.layout import FLOW, FLOW_KEY, FLOW_SET, FLOW_SLOT
from trafficmon.libbpf.map import Map
from trafficmon.model.flows import COUNTS
from trafficmon.reader import cached
from trafficmon.reader.cached import Cache, Parts, add_slots, read_parts

SETS = 2
Event = tuple[str, int, int]  # what happens: kind, flow, slot (0 to 3)


def key_of(flow: int) -> Any:
    key = np.zeros(1, FLOW_KEY)[0]
    key["remote_addr"][0], key["flags"] = flow, 1
    return key


class Kernel:
    """Table and cache; ``counted`` is what each flow has ever had, and the table still knows."""

    def __init__(self, events: Iterable[list[Event]] = ()) -> None:
        self.table: dict[bytes, Any] = {}
        self.slots = np.zeros(2 * SETS, FLOW_SLOT)
        self.counted: Counter[int] = Counter()
        self.looks = 0
        self._events = iter(events)

    def looked(self) -> None:
        """The reader has looked somewhere: on it goes."""
        self.looks += 1
        for kind, flow, slot in next(self._events, ()):
            getattr(self, kind)(flow, slot)

    def hit(self, flow: int, slot: int) -> None:
        """A packet of whatever flow resides in the slot."""
        del flow
        resident = self.slots[slot]
        if resident["key"]["flags"]:
            self._count(resident, int(resident["key"]["remote_addr"][0]))

    def miss(self, flow: int, slot: int) -> None:
        """A packet straight to the table."""
        del slot
        self._count(self._entry(key_of(flow).tobytes()), flow)

    def write_back(self, flow: int, slot: int) -> None:
        """The slot's counters go to the table."""
        del flow
        resident = self.slots[slot]
        if resident["key"]["flags"]:
            resident["sequence"] += 1
            self._flush(resident)
            resident["sequence"] += 1

    def take_over(self, flow: int, slot: int) -> None:
        """The slot's resident makes room for a packet of another flow."""
        resident = self.slots[slot]
        mates = self.slots[slot ^ 1]["key"], resident["key"]
        if any(mate.tobytes() == key_of(flow).tobytes() for mate in mates):
            return  # a CPU's set holds a flow once
        resident["sequence"] += 1
        if resident["key"]["flags"]:
            self._flush(resident)
        self._entry(key_of(flow).tobytes())
        resident["key"] = key_of(flow)
        self._count(resident, flow)
        resident["sequence"] += 1

    def begin(self, flow: int, slot: int) -> None:
        """The slot is caught in the middle: its counters are in the table and still in it."""
        del flow
        resident = self.slots[slot]
        if resident["key"]["flags"] and not resident["sequence"] & 1:
            resident["sequence"] += 1
            entry = self._entry(resident["key"].tobytes())
            for name in COUNTS:
                entry[name] += resident[name]

    def end(self, flow: int, slot: int) -> None:
        """And now they are only there."""
        del flow
        resident = self.slots[slot]
        if resident["sequence"] & 1:
            self._empty(resident)
            resident["sequence"] += 1

    def evict(self, flow: int, slot: int) -> None:
        """The table's LRU drops the flow."""
        del slot
        entry = self.table.pop(key_of(flow).tobytes(), None)
        if entry is not None:
            self.counted[flow] -= int(entry["rx_packets"])

    def _count(self, record: Any, flow: int) -> None:
        record["rx_packets"] += 1
        record["rx_bytes"] += 1
        self.counted[flow] += 1

    def _entry(self, key: bytes) -> Any:
        return self.table.setdefault(key, np.zeros(1, FLOW)[0])

    def _flush(self, resident: Any) -> None:
        entry = self._entry(resident["key"].tobytes())
        for name in COUNTS:
            entry[name] += resident[name]
        self._empty(resident)

    @staticmethod
    def _empty(resident: Any) -> None:
        for name in COUNTS:
            resident[name] = 0


class FakeTable:
    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def read_all(
        self, key: np.dtype[Any], value: np.dtype[Any], raw: object = None
    ) -> tuple[Any, Any]:
        assert raw is None
        table = self.kernel.table
        keys = np.frombuffer(b"".join(table), key)
        values = np.array(list(table.values()), value)
        self.kernel.looked()
        return keys, values

    def lookup(self, key: bytes) -> bytes | None:
        found = self.kernel.table.get(key)
        raw = None if found is None else found.tobytes()
        self.kernel.looked()
        return raw


class FakeCache:
    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def read_array(self, value: np.dtype[Any], raw: object = None) -> Any:
        assert raw is None
        slots = self.kernel.slots.copy().view(value)
        self.kernel.looked()
        return slots

    def lookup(self, key: bytes) -> bytes | None:
        (index,) = struct.unpack("=I", key)
        raw = bytes(self.kernel.slots.view(FLOW_SET)[index].tobytes())
        self.kernel.looked()
        return raw


def read(kernel: Kernel) -> Parts:
    table, cache = cast("Map", FakeTable(kernel)), cast("Map", FakeCache(kernel))
    return read_parts(table, Cache(cache, FLOW_SET, FLOW_SLOT), FLOW_KEY, FLOW)


def totals(kernel: Kernel) -> dict[int, int]:
    """What the reader says, flow by flow."""
    keys, values, _, _ = add_slots(read(kernel))
    flows = keys["remote_addr"][:, 0].tolist()
    assert len(set(flows)) == len(flows), "a flow in two rows"
    assert 0 not in flows, "an empty slot is no flow"
    assert values["rx_packets"].tolist() == values["rx_bytes"].tolist()
    return dict(zip(flows, values["rx_packets"].tolist(), strict=True))


def filled(events: Iterable[list[Event]] = ()) -> Kernel:
    """Flow 1 in the table and two slots, 2 in the table, 3 in a slot and new."""
    kernel = Kernel()
    for flow, slot, hits in ((1, 0, 4), (1, 2, 3), (3, 3, 1)):
        kernel.take_over(flow, slot)
        for _ in range(hits):
            kernel.hit(flow, slot)
    kernel.write_back(1, 0)
    kernel.hit(1, 0)
    kernel.miss(2, 0)
    del kernel.table[key_of(3).tobytes()]
    kernel._events = iter(events)
    return kernel


def test_nothing_at_all() -> None:
    assert totals(Kernel()) == {}


def test_table_and_cache_are_added() -> None:
    kernel = filled()
    assert totals(kernel) == {1: 10, 2: 1, 3: 2} == kernel.counted
    assert kernel.looks == 3, "where nothing moves, nothing is read again"


@pytest.mark.parametrize("side", ["rx", "tx"])
def test_a_slot_counts_that_has_seen_one_direction_only(side: str) -> None:
    kernel = Kernel()
    slot = kernel.slots[1]
    slot["key"] = key_of(7)
    slot[f"{side}_packets"], slot[f"{side}_bytes"] = 3, 180
    _, values, _, _ = add_slots(read(kernel))
    assert [values[name].tolist() for name in COUNTS] == [
        [3] if side == "rx" else [0],
        [180] if side == "rx" else [0],
        [3] if side == "tx" else [0],
        [180] if side == "tx" else [0],
    ]


def test_how_many_entries_the_table_itself_has() -> None:
    assert read(filled()).entries == 2


def moments(*event: Event) -> list[list[list[Event]]]:
    """The events after the first look, after the second, … the twelfth."""
    return [[*([] for _ in range(moment)), list(event)] for moment in range(12)]


WHAT_HAPPENS = {
    "a slot is written back": [("write_back", 0, 0)],
    "all slots are written back": [("write_back", 0, slot) for slot in range(4)],
    "a slot is hit": [("hit", 0, 0)],
    "a slot is written back and hit": [("write_back", 0, 0), ("hit", 0, 0)],
    "a slot is taken over by a known flow": [("take_over", 2, 0)],
    "a slot is taken over by a new flow": [("take_over", 9, 2)],
    "an empty slot is taken": [("take_over", 1, 1)],
    "residents change places": [("take_over", 3, 0), ("take_over", 1, 3)],
    "taken over and back": [("take_over", 9, 0), ("take_over", 1, 0)],
    "a new flow past the cache": [("miss", 8, 0)],
}


@pytest.mark.parametrize("events", list(WHAT_HAPPENS.values()), ids=list(WHAT_HAPPENS))
def test_no_packet_is_lost_or_reported_twice(events: list[Event]) -> None:
    """Whenever it happens, each flow has what it had before, or what it has after it."""
    for schedule in moments(*events):
        kernel = filled(schedule)
        before = Counter(kernel.counted)
        said = totals(kernel)
        for flow in kernel.counted:
            assert before[flow] <= said.get(flow, 0) <= kernel.counted[flow], schedule


def test_a_slot_caught_in_the_middle_is_waited_for() -> None:
    for first, then in ((0, 1), (0, 2), (1, 2), (2, 3), (3, 5), (4, 9)):
        schedule: list[list[Event]] = [[] for _ in range(12)]
        schedule[first] = [("begin", 0, 0)]
        schedule[then] = [("end", 0, 0)]
        assert totals(filled(schedule)) == {1: 10, 2: 1, 3: 2}, schedule


def test_a_slot_that_never_comes_to_rest_is_left_out() -> None:
    """Better too little, for this time, than too much."""
    kernel = filled([[("begin", 0, 0)]])
    assert totals(kernel) == {1: 10, 2: 1, 3: 2}, "what was in the slot is in the table by now"
    assert kernel.looks >= 3 * cached._TRIES

    kernel = filled()
    kernel.begin(0, 0)
    kernel.slots["rx_packets"][0] = kernel.slots["rx_bytes"][0] = 77  # anything
    assert totals(kernel)[1] == 10


def test_a_slot_that_moves_all_the_time() -> None:
    turns: list[list[Event]] = [[("hit", 0, 0), ("write_back", 0, 0)] for _ in range(500)]
    kernel = filled(turns)
    before = kernel.counted[1]
    assert before - 5 <= totals(kernel)[1] <= kernel.counted[1]


def test_a_flow_dropped_from_the_table_meanwhile() -> None:
    """Its row is reported as it was read: what came since is added, nothing twice."""
    for schedule in moments(("write_back", 0, 0), ("evict", 1, 0), ("hit", 0, 0)):
        kernel = filled(schedule)
        assert 5 <= totals(kernel)[1] <= 11, schedule
        kernel._events = iter([[("write_back", 0, 0), ("evict", 1, 0), ("hit", 0, 0)]])
        kernel.looked()
        assert totals(kernel)[1] == kernel.counted[1]


def test_the_first_packet_into_a_slot_never_used_before() -> None:
    """Caught while the key is still all zeroes."""
    kernel = Kernel()
    kernel.slots["sequence"][0] = 1
    assert totals(kernel) == {}


EVENTS = st.lists(
    st.lists(
        st.tuples(
            st.sampled_from(["hit", "miss", "write_back", "take_over"]),
            st.integers(1, 4),
            st.integers(0, 3),
        ),
        max_size=3,
    ),
    max_size=30,
)


@settings(max_examples=400, deadline=None)
@given(before=EVENTS, meanwhile=EVENTS)
def test_whatever_happens_totals_lie_between_before_and_after(
    before: list[list[Event]], meanwhile: list[list[Event]]
) -> None:
    kernel = Kernel(before)
    for _ in before:
        kernel.looked()
    kernel._events = iter(meanwhile)
    had = Counter(kernel.counted)
    said = totals(kernel)
    for flow in range(1, 5):
        assert had[flow] <= said.get(flow, 0) <= kernel.counted[flow]
    kernel._events = iter(())
    assert totals(kernel) == {flow: count for flow, count in kernel.counted.items() if count}


def test_a_reading_after_the_other_never_shrinks() -> None:
    rng = np.random.default_rng(20251121)
    kinds = ["hit", "miss", "write_back", "take_over"]

    def packets() -> list[Event]:
        return [
            (kinds[rng.integers(0, 4)], int(rng.integers(1, 6)), int(rng.integers(0, 4)))
            for _ in range(rng.integers(0, 3))
        ]

    kernel = Kernel(iter(packets, None))
    last: dict[int, int] = {}
    for _ in range(300):
        now = totals(kernel)
        for flow, count in last.items():
            assert now.get(flow, 0) >= count
        last = now
    assert sum(last.values()) > 1000


@pytest.fixture
def lone() -> Parts:
    slots = np.zeros(3, FLOW_SLOT)
    slots["key"] = [key_of(5), key_of(6), key_of(5)]
    slots["rx_packets"] = [2**63, 1, 2**62]
    slots["tx_bytes"] = [1, 2, 3]
    return Parts(np.zeros(0, FLOW_KEY), np.zeros(0, FLOW), slots, 0)


def test_flows_that_only_slots_have_get_rows(lone: Parts) -> None:
    keys, values, groups, rows = add_slots(lone)
    assert groups is not None
    assert len(keys) == len(values) == len(groups) == 2
    by_flow = dict(zip(keys["remote_addr"][:, 0].tolist(), values.tolist(), strict=True))
    assert [by_flow[5][index] for index in (0, 3)] == [2**63 + 2**62, 4]
    assert [by_flow[6][index] for index in (0, 3)] == [1, 2]
    assert sorted(rows.tolist()) == [0, 1]


def test_rows_of_the_table_keep_their_places(lone: Parts) -> None:
    table_keys = np.array([key_of(9), key_of(6)], FLOW_KEY)
    table_values = np.zeros(2, FLOW)
    table_values["rx_packets"] = [100, 200]
    keys, values, _, _ = add_slots(Parts(table_keys, table_values, lone.slots, 2))
    assert keys["remote_addr"][:, 0].tolist() == [9, 6, 5]
    assert values["rx_packets"].tolist() == [100, 201, 2**63 + 2**62]


def test_without_slots_the_table_is_all() -> None:
    nothing = Parts(np.zeros(0, FLOW_KEY), np.zeros(0, FLOW), np.zeros(0, FLOW_SLOT), 0)
    keys, values, groups, rows = add_slots(nothing)
    assert len(keys) == len(values) == len(rows) == 0
    assert groups is None
