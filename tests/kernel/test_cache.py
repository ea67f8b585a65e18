# SPDX-License-Identifier: MIT
"""The write-back caches: small ones, many flows, several CPUs, and every packet in its row."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.corpus import wire
from tests.kernel.harness import SERVICE_SLOTS, Harness
from trafficmon.layout import LEDGER, FlowFlag, Hook, ServiceKind

pytestmark = pytest.mark.kernel

PEER, HERE = b"\x0a\x00\x00\x01", b"\x0a\x00\x00\x02"
HOOKS = [Hook.XDP_RX, Hook.TC_RX, Hook.TC_TX]


def udp(source: int, destination: int, payload_bytes: int = 20) -> bytes:
    return _frame(wire.UDP, wire.transport(wire.UDP, source, destination, bytes(payload_bytes)))


def tcp(source: int, destination: int, tcp_flags: int) -> bytes:
    body = wire.transport(wire.TCP, source, destination, bytes(20), tcp_flags=tcp_flags)
    return _frame(wire.TCP, body)


def fragment(  # a datagram has an id, a fragment a place in it
    payload: bytes, datagram_id: int, units: int, *, more: bool, towards: bytes = HERE
) -> bytes:
    addresses = (PEER, HERE) if towards == HERE else (HERE, PEER)
    packet = wire.ipv4(
        payload,
        wire.UDP,
        addresses,
        datagram_id=datagram_id,
        fragment_units=units,
        more_fragments=more,
    )
    return wire.link(0x0800, packet) + packet


def _frame(protocol: int, payload: bytes) -> bytes:
    packet = wire.ipv4(payload, protocol, (PEER, HERE))
    return wire.link(0x0800, packet) + packet


def counted(harness: Harness) -> dict[tuple[int, int] | None, tuple[int, int]]:
    """Packets and bytes by local and remote port; None: flows without ports."""
    found: dict[tuple[int, int] | None, tuple[int, int]] = {}
    flows = harness.flows()
    for key, value in zip(flows.keys, flows.values, strict=True):
        ports = (_host_order(key["local_port_be"]), _host_order(key["remote_port_be"]))
        name = ports if key["flags"] & FlowFlag.PORTS else None
        assert name not in found, "a flow in two rows"
        packets = int(value["rx_packets"]) + int(value["tx_packets"])
        found[name] = (packets, int(value["rx_bytes"]) + int(value["tx_bytes"]))
    return found


def _host_order(port_be: np.uint16) -> int:
    return int.from_bytes(port_be.tobytes(), "big")


def flow_inserts(harness: Harness) -> int:
    return int(harness.maps["ledger"].read_array(LEDGER)["flow_inserts"].sum())


def service_packets(harness: Harness) -> Counter[int]:
    services = harness.services()
    found: Counter[int] = Counter()
    for key, value in zip(services.keys, services.values, strict=True):
        assert key["kind"] == ServiceKind.PORT
        found[int(key["number"])] += int(value["rx_packets"]) + int(value["tx_packets"])
    return found


@pytest.fixture(scope="module", params=[(h, s) for h in HOOKS for s in (1, 2)], ids=str)
def tiny(request: pytest.FixtureRequest) -> Iterator[Harness]:
    hook, sets = request.param
    with Harness(hook, flow_sets=sets) as harness:
        yield harness


# Runs of one flow (hits, which give a resident its lives back) between others (misses).
RUNS = st.lists(
    st.tuples(st.integers(0, 11), st.integers(1, 12), st.integers(0, 60)), min_size=1, max_size=40
)


@given(runs=RUNS)
@settings(max_examples=40, deadline=None)
def test_whatever_takes_turns_the_sums_are_exact(
    tiny: Harness, runs: list[tuple[int, int, int]]
) -> None:
    tiny.forget()
    is_rx = tiny.hook != Hook.TC_TX
    packets: Counter[tuple[int, int]] = Counter()
    octets: Counter[tuple[int, int]] = Counter()
    for number, repeat, payload_bytes in runs:
        frame = udp(40000 + number, 53 + number, payload_bytes)
        tiny.run(frame, repeat)
        there = (53 + number, 40000 + number) if is_rx else (40000 + number, 53 + number)
        packets[there] += repeat
        octets[there] += repeat * len(frame)
    assert counted(tiny) == {key: (packets[key], octets[key]) for key in packets}
    by_service: Counter[int] = Counter()
    for number, repeat, _ in runs:
        by_service[53 + number] += repeat
    assert service_packets(tiny) == by_service


def test_a_busy_flow_is_written_back_after_a_second() -> None:
    cpu = {min(os.sched_getaffinity(0))}
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpu)  # the slot is this CPU's
    try:
        with Harness(Hook.TC_RX) as harness:
            harness.run(udp(40000, 53), 100)
            assert _in_table(harness) < 100
            time.sleep(1.2)
            harness.run(udp(40000, 53))
            assert _in_table(harness) == 101
            assert counted(harness)[53, 40000][0] == 101
    finally:
        os.sched_setaffinity(0, before)


def _in_table(harness: Harness) -> int:
    """Packets that the shared table has, the cache left out."""
    from trafficmon.layout import FLOW, FLOW_KEY  # noqa: PLC0415 - only here, beside the reader

    return int(harness.maps["flows"].read_all(FLOW_KEY, FLOW)[1]["rx_packets"].sum())


def test_more_flows_than_room() -> None:
    """What the LRU drops is inserts less entries; the services lose nothing."""
    flows = 5000
    with Harness(Hook.TC_RX, flow_sets=1, max_flows=1024) as harness:
        for number in range(flows):
            harness.run(udp(10000 + number, 53))
        read = harness.flows()
        assert flow_inserts(harness) >= flows
        assert 0 < read.entries <= 1024
        assert flow_inserts(harness) - read.entries >= flows - 1024
        assert service_packets(harness) == {53: flows}
        assert int(harness.totals()["packets_by_size"].sum()) == flows


def test_services_that_share_a_slot() -> None:
    """More services than slots, in turns and in runs."""
    ports = range(1, 2 * SERVICE_SLOTS)
    with Harness(Hook.TC_RX) as harness:
        for repeat in (1, 12, 1):
            for port in ports:
                harness.run(udp(40000, port), repeat)
        assert service_packets(harness) == dict.fromkeys(ports, 14)


SYN, SYN_ACK, ACK = 0x02, 0x12, 0x10


@pytest.mark.parametrize(
    ("frame", "port"),
    [
        (tcp(80, 9000, SYN), 9000),  # the handshake knows, whatever the numbers look like
        (tcp(9000, 80, SYN_ACK), 9000),
        (tcp(50000, 443, ACK), 443),  # begun before we looked
        (tcp(443, 50000, ACK), 443),
        (tcp(50000, 8080, ACK), 8080),  # no client would be given it
        (tcp(8080, 50000, ACK), 8080),
        (tcp(2000, 80, ACK), 80),  # well known
        (tcp(50001, 50000, ACK), 50000),  # TCP between equals: the lower, for both directions
        (tcp(50000, 50001, ACK), 50000),
        (udp(53, 40000), 53),
        (udp(40000, 53), 53),
        (udp(50001, 50000), 50000),  # UDP between equals: the one addressed first
        (udp(50000, 50001), 50001),
        (udp(123, 53), 53),
        (udp(0, 0), 0),
    ],
)
@pytest.mark.parametrize("hook", [Hook.TC_RX, Hook.TC_TX])
def test_which_port_names_the_service(
    by_hook: dict[Hook, Harness], hook: Hook, frame: bytes, port: int
) -> None:
    harness = by_hook[hook]
    harness.forget()
    harness.run(frame)
    assert service_packets(harness) == {port: 1}


@pytest.fixture(scope="module")
def by_hook() -> Iterator[dict[Hook, Harness]]:
    with Harness(Hook.TC_RX) as rx, Harness(Hook.TC_TX) as tx:
        yield {Hook.TC_RX: rx, Hook.TC_TX: tx}


FIRST = wire.transport(wire.UDP, 40000, 53, bytes(24))  # 32 bytes: four units


def test_a_later_fragment_finds_its_ports(by_hook: dict[Hook, Harness]) -> None:
    harness = by_hook[Hook.TC_RX]
    harness.forget()
    harness.run(fragment(FIRST, 1, 0, more=True))
    harness.run(fragment(bytes(16), 1, 4, more=True))
    harness.run(fragment(bytes(16), 1, 6, more=False))
    assert {name: packets for name, (packets, _) in counted(harness).items()} == {(53, 40000): 3}
    harness.run(fragment(bytes(16), 1, 6, more=False))  # the datagram has ended
    assert counted(harness)[None][0] == 1


def test_a_first_fragment_is_forgotten_after_two_seconds(by_hook: dict[Hook, Harness]) -> None:
    harness = by_hook[Hook.TC_RX]
    harness.forget()
    harness.run(fragment(FIRST, 2, 0, more=True))
    time.sleep(2.1)
    harness.run(fragment(bytes(16), 2, 4, more=False))
    assert counted(harness)[None][0] == counted(harness)[53, 40000][0] == 1


def test_an_identification_used_again(by_hook: dict[Hook, Harness]) -> None:
    """The new datagram's first fragment replaces the old one's; without one nothing is guessed."""
    harness = by_hook[Hook.TC_RX]
    harness.forget()
    other = wire.transport(wire.UDP, 40001, 54, bytes(24))
    harness.run(fragment(FIRST, 3, 0, more=True))
    harness.run(fragment(other, 3, 0, more=True))
    harness.run(fragment(bytes(16), 3, 4, more=True))
    harness.run(fragment(bytes(16), 3, 4, more=True))  # begins before what was counted
    assert {name: packets for name, (packets, _) in counted(harness).items()} == {
        (53, 40000): 1,
        (54, 40001): 2,
        None: 1,
    }


def test_directions_of_fragments_are_apart(by_hook: dict[Hook, Harness]) -> None:
    harness = by_hook[Hook.TC_RX]
    harness.forget()
    harness.run(fragment(FIRST, 4, 0, more=True))
    harness.run(fragment(bytes(16), 4, 4, more=False, towards=PEER))
    assert counted(harness)[53, 40000][0] == counted(harness)[None][0] == 1


class Sender(threading.Thread):
    """Runs one frame on one CPU, over and over; ``begun`` says how many at most are counted."""

    def __init__(self, harness: Harness, cpu: int, rounds: int, number: int) -> None:
        super().__init__()
        self.harness, self.cpu, self.rounds = harness, cpu, rounds
        self.frames = [udp(40000, 53, number), udp(41000 + number, 53, number)]
        self.begun = 0
        self.done = 0
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            os.sched_setaffinity(0, {self.cpu})  # of this thread
            for turn in range(self.rounds):
                shared = turn % 3 != 0
                self.begun += 50 if shared else 0
                self.harness.run(self.frames[0 if shared else 1], 50)
                self.done += 50 if shared else 0
        except BaseException as failure:  # noqa: BLE001 - raised by the test
            self.failure = failure


def test_several_cpus_and_a_reader_meanwhile() -> None:
    """One flow from all CPUs is exact; a reading lies between done and begun, never shrinks."""
    with Harness(Hook.TC_RX, flow_sets=1) as harness:
        cpus = sorted(os.sched_getaffinity(0))
        senders = [Sender(harness, cpu, 600, number) for number, cpu in enumerate(cpus)]
        for sender in senders:
            sender.start()
        last = readings = 0
        while any(sender.is_alive() for sender in senders):
            done = sum(sender.done for sender in senders)
            now = counted(harness).get((53, 40000), (0, 0))[0]
            assert max(last, done) <= now <= sum(sender.begun for sender in senders)
            last = now
            readings += 1
        for sender in senders:
            sender.join()
            assert sender.failure is None
        assert readings > 1
        expected = {
            (53, 40000): (
                400 * 50 * len(cpus),
                sum(400 * 50 * len(sender.frames[0]) for sender in senders),
            )
        }
        for number, sender in enumerate(senders):
            expected[53, 41000 + number] = (200 * 50, 200 * 50 * len(sender.frames[1]))
        assert counted(harness) == expected
