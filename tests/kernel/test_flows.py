# SPDX-License-Identifier: MIT
"""Flows in both directions: to the packet, to the byte, and each under its own key."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.corpus import wire
from tests.corpus.wire import flipped
from tests.kernel.bothways import V4, V6, BothWays, Flow, Way, both_ways, counts_of, on_cpu
from tests.kernel.bpf_calls import delete_many
from tests.kernel.harness import Harness, hash_table
from trafficmon.layout import FLOW, Hook, ServiceKind

pytestmark = pytest.mark.kernel

JIFFY_S = 0.004
A, B, C = (Flow(ports=(53, port)) for port in (40000, 40001, 40002))
FLOWS = [A, B, C, A.of(addresses=V6), A.of(protocol=wire.TCP), B.of(addresses=V6, ports=(53, 9))]


@pytest.fixture(scope="module")
def both() -> Iterator[BothWays]:
    with both_ways() as made:
        yield made


@pytest.fixture(scope="module", params=[Hook.TC_RX, Hook.XDP_RX], ids=["tc", "xdp"])
def restless(request: pytest.FixtureRequest) -> Iterator[BothWays]:
    """Written back with each jiffy, and all services in one slot of their cache."""
    constants = {"tm_flush_jiffies": 0, "tm_service_slots": 1}
    with both_ways(constants=constants, first=request.param) as made:
        yield made


STEPS = st.lists(
    st.tuples(
        st.sampled_from(FLOWS),
        st.sampled_from(["rx", "tx"]),
        st.integers(1, 12),
        st.integers(0, 60),
        st.sampled_from([0, 0, 0, 1]),
    ),
    min_size=1,
    max_size=30,
)


@given(steps=STEPS)
@settings(max_examples=40, deadline=None)
def test_both_directions_of_flows_and_services_are_exact(
    restless: BothWays, steps: list[tuple[Flow, Way, int, int, int]]
) -> None:
    restless.forget()
    expected: Counter[tuple[Flow, str]] = Counter()
    ports: dict[Flow, int] = {}
    for flow, way, repeat, payload_bytes, jiffies in steps:
        source, destination = flow.ports[::-1] if way == "rx" else flow.ports
        ports.setdefault(flow, service_port(flow.protocol, source, destination, ACK))
        size = restless.run(flow, way, repeat, payload_bytes=payload_bytes)
        expected[flow, f"{way}_packets"] += repeat
        expected[flow, f"{way}_bytes"] += repeat * size
        time.sleep(jiffies * JIFFY_S)
    names = ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes")
    flows = {flow for flow, _ in expected}
    assert restless.counted() == {
        flow: tuple(expected[flow, name] for name in names) for flow in flows
    }
    by_service: dict[tuple[int, int, int], list[Flow]] = {}
    for flow in flows:
        version = 4 if len(flow.addresses[0]) == 4 else 6
        by_service.setdefault((version, flow.protocol, ports[flow]), []).append(flow)
    assert services_of(restless) == {
        key: tuple(sum(expected[flow, name] for flow in members) for name in names)
        for key, members in by_service.items()
    }
    assert begun_of(restless) == {key: len(members) for key, members in by_service.items()}


def services_of(both: BothWays) -> dict[tuple[int, int, int], tuple[int, int, int, int]]:
    """Counts by IP version, protocol and port."""
    services = both.by_way["rx"].services()
    return {
        (int(key["ip_version"]), int(key["protocol"]), int(key["number"])): counts_of(value)
        for key, value in zip(services.keys, services.values, strict=True)
    }


def begun_of(both: BothWays) -> dict[tuple[int, int, int], int]:
    """How many flows of each service have begun."""
    services = both.by_way["rx"].services()
    return {
        (int(key["ip_version"]), int(key["protocol"]), int(key["number"])): int(value["flows"])
        for key, value in zip(services.keys, services.values, strict=True)
    }


def neighbours(flow: Flow) -> Iterator[Flow]:
    """All flows whose key differs from it in one bit of an address or a port."""
    for end in (0, 1):
        for bit in range(8 * len(flow.addresses[0])):
            changed = list(flow.addresses)
            changed[end] = flipped(changed[end], bit)
            yield flow.of(addresses=tuple(changed))
        for bit in range(16):
            ports = list(flow.ports)
            ports[end] ^= 1 << bit
            yield flow.of(ports=tuple(ports))


@pytest.mark.parametrize("way_of_the_cache", [0, 1])
@pytest.mark.parametrize("addresses", [V4, V6], ids=["ipv4", "ipv6"])
def test_a_key_that_differs_in_one_bit_is_another_flow(
    both: BothWays, addresses: tuple[bytes, ...], way_of_the_cache: int
) -> None:
    """In the cache, where the two meet in one set, and in the table."""
    flow = Flow(addresses=addresses)
    filler = Flow(ports=(7, 7), addresses=(b"\x01\x02\x03\x04", b"\x05\x06\x07\x08"))
    for number, other in enumerate(neighbours(flow)):
        both.forget()
        if way_of_the_cache:
            both.run(filler)
        way: Way = ("rx", "tx")[number % 2]
        size = both.run(flow, way, 5)
        both.run(other, way, 3)
        counted = both.counted()
        counted.pop(filler, None)
        count = {"rx": (0, 1), "tx": (2, 3)}[way]
        assert [[counts[at] for at in count] for counts in (counted[flow], counted[other])] == [
            [5, 5 * size],
            [3, 3 * size],
        ]
        assert len(counted) == 2


def test_what_else_is_in_a_key(both: BothWays) -> None:
    """IP version, protocol, whether the ports are known, and the interface."""
    both.forget()
    four = Flow(ports=(0, 0))
    six = four.of(addresses=tuple(address + bytes(12) for address in V4))
    both.run(four, "rx", 2)
    both.run(six, "rx", 3)
    both.run(four.of(protocol=wire.TCP), "rx", 4)
    packet = wire.ipv4(bytes(8), wire.UDP, (V4[1], V4[0]), fragment_units=9)
    both.by_way["rx"].run(wire.link(0x0800, packet) + packet, 5)
    with Harness(Hook.TC_RX, flow_sets=1, row=0, shared=both.maps) as another:
        another.run(four.frame("rx"), 6)
    values = both.flows().values
    assert sorted(values["rx_packets"].tolist()) == [2, 3, 4, 5, 6]


FIELDS: dict[str, list[Flow]] = {
    "local address": [A.of(addresses=(bytes([10, 0, n, 2]), V4[1])) for n in range(64)],
    "remote address": [A.of(addresses=(V4[0], bytes([10, n, 0, 1]))) for n in range(64)],
    "local port": [A.of(ports=(1000 + n, 40000)) for n in range(64)],
    "remote port": [A.of(ports=(53, 40000 + n)) for n in range(64)],
    "upper half of a local IPv6 address": [
        A.of(addresses=(flipped(V6[0], 64 + n), V6[1])) for n in range(64)
    ],
    "lower half of a local IPv6 address": [
        A.of(addresses=(flipped(V6[0], n), V6[1])) for n in range(64)
    ],
    "upper half of a remote IPv6 address": [
        A.of(addresses=(V6[0], flipped(V6[1], 64 + n))) for n in range(64)
    ],
    "lower half of a remote IPv6 address": [
        A.of(addresses=(V6[0], flipped(V6[1], n))) for n in range(64)
    ],
}
SETS = 256


def places(both: BothWays, flows: list[Flow]) -> list[int]:
    """The sets of the cache that these flows went to."""
    both.forget()
    for flow in flows:
        both.run(flow)
    keys = both.sets()["way"]["key"]
    return [int(number) for number in range(SETS) if keys["flags"][number].any()]


@pytest.fixture(scope="module")
def wide() -> Iterator[BothWays]:
    with both_ways(flow_sets=SETS) as made:
        yield made


@pytest.mark.parametrize("field", list(FIELDS))
def test_flows_spread_over_the_cache_whatever_distinguishes_them(
    wide: BothWays, field: str
) -> None:
    """64 flows into 256 sets: those that are all in one would push each other out."""
    assert len(places(wide, FIELDS[field])) >= 20


def test_a_set_cannot_be_aimed_at_without_the_seed(wide: BothWays) -> None:
    with both_ways(flow_sets=SETS, constants={"tm_seed": 0x1234567}) as another:
        sets = [set(places(one, FIELDS["remote port"])) for one in (wide, another)]
    assert len(sets[0] & sets[1]) < 30


PORTS = (0, 53, 1023, 1024, 8080, 32767, 32768, 50000, 65535)
SYN, SYN_ACK, ACK = 0x02, 0x12, 0x10


def service_port(protocol: int, source: int, destination: int, flags: int) -> int:
    """As docs/decisions/0005-services.md has it."""
    if protocol == wire.TCP and flags & SYN:
        return source if flags & ACK else destination
    for clients_from in (1024, 32768):
        if (source < clients_from) != (destination < clients_from):
            return min(source, destination)
    return min(source, destination) if protocol == wire.TCP else destination


@pytest.mark.parametrize("way", ["rx", "tx"])
@pytest.mark.parametrize(
    ("protocol", "flags"), [(wire.UDP, 0), (wire.TCP, SYN), (wire.TCP, SYN_ACK), (wire.TCP, ACK)]
)
def test_the_port_of_the_service(both: BothWays, way: Way, protocol: int, flags: int) -> None:
    for local in PORTS:
        for remote in PORTS:
            both.forget()
            flow = Flow(ports=(local, remote), protocol=protocol)
            both.run(flow, way, tcp_flags=flags)
            source, destination = (remote, local) if way == "rx" else (local, remote)
            expected = service_port(protocol, source, destination, flags)
            (key,) = both.by_way["rx"].services().keys
            assert (key["number"], key["kind"]) == (expected, ServiceKind.PORT), (local, remote)
            assert both.value(flow)["service_number"] == expected


def test_the_service_is_chosen_once(both: BothWays) -> None:
    """By the first packet: all others of the flow, both ways, are under that port."""
    both.forget()
    flow = Flow(ports=(50000, 50001))
    both.run(flow, "tx")  # addressed first: 50001
    both.run(flow, "rx", 20)
    both.run(flow, "tx", 20)
    assert [key["number"] for key in both.by_way["rx"].services().keys] == [50001]


@pytest.mark.parametrize("place", ["cache", "table"])
@pytest.mark.parametrize("way", ["rx", "tx"])
def test_each_tcp_flag(both: BothWays, way: Way, place: Literal["cache", "table"]) -> None:
    """Alone, and all that a flow has had."""
    flow = Flow(protocol=wire.TCP)
    for bit in range(8):
        both.forget()
        if place == "table":
            occupy(both)
        both.run(flow, way, tcp_flags=1 << bit)
        assert both.value(flow)["tcp_flags"].tolist() == [int(n == bit) for n in range(8)]
        both.run(flow, way, tcp_flags=0x10)
        both.run(flow, way, tcp_flags=0)
        expected = [int(n in (bit, 4)) for n in range(8)]
        assert both.value(flow)["tcp_flags"].tolist() == expected


def occupy(both: BothWays) -> None:
    """The cache's one set, by two that stay: whatever comes next is counted in the table."""
    for port in (1, 2):
        both.run(Flow(ports=(port, port)))
    assert len(both.residents()) == 2


def test_flags_and_counts_that_are_written_back(restless: BothWays) -> None:
    """To the table, the cache left out: both directions, and flags that the slot had alone."""
    restless.forget()
    flow = Flow(protocol=wire.TCP)
    first = restless.run(flow, "rx", 3, payload_bytes=10, tcp_flags=0x02)
    second = restless.run(flow, "tx", 4, payload_bytes=50, tcp_flags=0x08)
    time.sleep(3 * JIFFY_S)
    restless.run(flow, "rx", 1, payload_bytes=10, tcp_flags=0x01)
    written = restless.in_table(flow)
    assert counts_of(written) == (4, 4 * first, 4, 4 * second)
    assert written["tcp_flags"].tolist() == [1, 1, 0, 1, 0, 0, 0, 0]
    assert restless.counted()[flow] == counts_of(written)


@pytest.mark.parametrize("place", ["cache", "table"])
@pytest.mark.parametrize("way", ["rx", "tx"])
def test_first_and_last_seen(both: BothWays, way: Way, place: Literal["cache", "table"]) -> None:
    both.forget()
    if place == "table":
        occupy(both)
    flow = Flow(ports=(99, 99))
    earliest = time.monotonic()
    both.run(flow, way)
    latest = time.monotonic()
    first = both.value(flow)
    assert first["first_seen_jiffies"] > 0
    assert first["last_seen_jiffies_low"] == int(first["first_seen_jiffies"]) & 0xFFFFFFFF
    time.sleep(10 * JIFFY_S)
    least = time.monotonic() - latest
    both.run(flow, way)
    most = time.monotonic() - earliest
    last = both.value(flow)
    assert last["first_seen_jiffies"] == first["first_seen_jiffies"]
    passed = int(last["last_seen_jiffies_low"]) - int(first["last_seen_jiffies_low"])
    assert least / JIFFY_S - 2 <= passed <= most / JIFFY_S + 2


def test_an_older_look_does_not_undo_a_later_one(restless: BothWays) -> None:
    """A slot of another CPU that is written back late: last-seen stays the latest."""
    cpus = sorted(restless_cpus())
    if len(cpus) < 2:
        pytest.skip("this machine has one CPU")
    restless.forget()
    with on_cpu(cpus[1]):
        restless.run(A)  # waits in that CPU's cache
    time.sleep(8 * JIFFY_S)
    restless.run(A)
    time.sleep(3 * JIFFY_S)
    restless.run(A)  # and with this one is written back here
    latest = restless.in_table(A)["last_seen_jiffies_low"]
    with on_cpu(cpus[1]):
        push_out(restless)
    written = restless.in_table(A)
    assert (written["rx_packets"], written["last_seen_jiffies_low"]) == (3, latest)


def restless_cpus() -> set[int]:
    return set(range(os.cpu_count() or 1))


PUSHING = 60000


def push_out(both: BothWays) -> None:
    """Whoever is in the cache of this CPU: others come until they have both places.

    First hits, for a cache that has none is not read a while.
    """
    for port in range(PUSHING, PUSHING + 40):
        both.run(Flow(ports=(port, port)), "rx", 100 if port == PUSHING else 1)


def test_a_flow_that_was_evicted_is_made_again_as_it_was(both: BothWays) -> None:
    """By the write-back of its slot: begun when it did, under the same service."""
    both.forget()
    flow = Flow(ports=(50000, 50001))
    both.run(flow, "tx")
    began = both.value(flow)["first_seen_jiffies"]
    time.sleep(3 * JIFFY_S)
    size = both.run(flow, "rx", 4)
    keys, _ = both.maps["flows"].read_all(both.flows().keys.dtype, FLOW)
    assert delete_many(both.maps["flows"], keys) == 1
    push_out(both)
    made = both.in_table(flow)
    assert (made["first_seen_jiffies"], made["service_number"]) == (began, 50001)
    assert counts_of(made) == (4, 4 * size, 1, size)


def test_flows_that_find_no_room_are_counted() -> None:
    """Packets and bytes of both ways, in the ledger; services and totals have them all the same."""
    with (
        hash_table("flows", 40, FLOW.itemsize, 4) as full,
        both_ways(shared={"flows": full}) as both,
    ):
        size = 0
        for number in range(10):
            flow = Flow(ports=(53, 40000 + number))
            both.run(flow, "rx", 2)
            size = both.run(flow, "tx", 3)
        assert len(both.counted()) == 4
        assert both.ledger("flow_inserts") == 4
        assert both.ledger("flow_insert_failures") == 6 * 5
        assert both.ledger("flow_insert_failure_bytes") == 6 * 5 * size
        assert services_of(both) == {(4, 17, 53): (20, 20 * size, 30, 30 * size)}


def test_what_a_slot_cannot_write_back_is_counted() -> None:
    """Its entry is gone, and another has the room."""
    with (
        hash_table("flows", 40, FLOW.itemsize, 2) as full,
        both_ways(shared={"flows": full}) as both,
    ):
        both.run(A, "rx", 100)
        size = both.run(A, "tx", 5)
        both.run(B, "tx", 100)
        keys, _ = full.read_all(both.flows().keys.dtype, FLOW)
        for number, key in enumerate(keys.copy()):
            full.delete(key.tobytes())
            key["interface_id"] = 77 + number
            full.update(key.tobytes(), bytes(FLOW.itemsize))
        both.by_way["rx"].run(C.frame("rx"), 9)
        assert both.ledger("flow_insert_failures") == 9
        assert len(both.residents()) == 2  # who cannot be in the table does not get in here either
        both.maps["flows"].delete(keys[:1].tobytes())
        key = keys[0].copy()
        key["interface_id"] = 77
        full.delete(key.tobytes())
        both.run(C)  # has room, moves in, and B or A with what it has counted moves out
        assert both.residents()[0] == C
        lost = 9 + 105
        assert both.ledger("flow_insert_failures") == lost
        assert both.ledger("flow_insert_failure_bytes") == lost * size


def test_services_that_find_no_room_are_counted() -> None:
    with both_ways(constants={"tm_service_slots": 1}, sizes={"services": 2}) as both:
        size = 0
        for port in range(1, 6):
            both.run(Flow(ports=(port, 40000)), "rx", 2)
            size = both.run(Flow(ports=(port, 40000)), "tx", 1)
        known = services_of(both)
        packets = sum(counts[0] + counts[2] for counts in known.values())
        octets = sum(counts[1] + counts[3] for counts in known.values())
        assert both.ledger("service_insert_failures") == 15 - packets > 0
        assert both.ledger("service_insert_failure_bytes") == 15 * size - octets
