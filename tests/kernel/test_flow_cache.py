# SPDX-License-Identifier: MIT
"""Who stays in a cache and who has to go, to the packet; and what CPUs that meet must not lose."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np
import pytest

from tests.corpus import wire
from tests.kernel.bothways import BothWays, Flow, Way, both_ways, counts_of, on_cpu
from tests.kernel.harness import ROW, Harness
from trafficmon.layout import HOOK_COUNTERS, HOOKS, SERVICE_SLOT, Hook
from trafficmon.libbpf.map import Map
from trafficmon.libbpf.structs import dtype_of
from trafficmon.libbpf.system import possible_cpus

pytestmark = pytest.mark.kernel

JIFFY_S = 0.004
LIVES = 8
SKIP = 1023
MOST = 128
A, B, C, D = (Flow(ports=(53, port)) for port in (40000, 40001, 40002, 40003))
ALL_ONES = 0xFFFFFFFF


@pytest.fixture(scope="module")
def both() -> Iterator[BothWays]:
    with both_ways(constants={"tm_service_slots": 1}) as made:
        yield made


def state(both: BothWays, hook: Hook = Hook.TC_RX) -> tuple[int, int]:
    """cache_score and cache_skip of this CPU."""
    cells = both.maps["hook_counters"].read_array(HOOK_COUNTERS)
    cell = cells.reshape(-1, HOOKS, possible_cpus())[ROW, hook, both.cpu]
    return int(cell["cache_score"]), int(cell["cache_skip"])


def test_a_resident_survives_eight_misses(both: BothWays) -> None:
    both.forget()
    both.run(A, "rx", 50)  # hits, so that the cache is read
    both.run(B)
    for miss in range(LIVES):
        assert both.residents() == [A, B], miss
        both.run(C)
    assert both.residents() == [A, B]
    both.run(C)
    assert both.residents() == [C, B]
    both.run(D)
    assert both.residents() == [C, D]
    counted = both.counted()
    assert [counted[flow][0] for flow in (A, B, C, D)] == [50, 1, LIVES + 1, 1]


@pytest.mark.parametrize("way", ["rx", "tx"])
def test_a_hit_gives_all_lives_back(both: BothWays, way: Way) -> None:
    both.forget()
    both.run(A, "rx", 50)
    both.run(B)
    both.run(C, "rx", LIVES)
    both.run(A, way)
    both.run(C)
    assert both.residents() == [A, C]
    both.run(D, "rx", LIVES)
    assert both.residents() == [A, C]


def test_hits_and_misses_are_scored(both: BothWays) -> None:
    """Two for a hit, up to a bound; one off for a miss where two residents are in the way."""
    both.forget()
    assert state(both) == (0, 0)
    both.run(A)
    assert state(both) == (0, 0)
    both.run(A, "rx", 3)
    assert state(both) == (6, 0)
    both.run(B)  # found a vacancy: no bad sign
    assert state(both) == (6, 0)
    both.run(C, "rx", 4)
    assert state(both) == (2, 0)
    both.run(B, "rx", 200)
    assert state(both) == (MOST, 0)


def test_where_hits_are_rare_the_cache_is_left_out(both: BothWays) -> None:
    both.forget()
    both.run(A)
    both.run(B)
    both.run(C)  # a miss at a score of 0
    assert state(both) == (0, SKIP)
    before = both.sets().tobytes()
    both.run(A, "rx", 3)
    assert state(both) == (0, SKIP - 3)
    both.run(D, "tx")  # the other direction has an opinion of its own
    assert state(both) == (0, SKIP - 3)
    before_skipped = both.sets().tobytes()
    both.run(A, "rx", SKIP - 3)
    assert both.sets().tobytes() == before_skipped != before
    assert state(both) == (0, 0)
    both.run(A)
    assert state(both)[0] == 2
    assert both.counted()[A][0] == 1 + SKIP + 1


def test_a_third_of_hits_keeps_the_cache_in_use(both: BothWays) -> None:
    both.forget()
    both.run(A, "rx", 5)
    for number in range(300):
        both.run(A)
        for port in (2 * number, 2 * number + 1):
            both.run(Flow(ports=(53, 10000 + port)))
        assert state(both)[1] == 0
    assert both.residents()[0] == A


def test_a_services_slot_survives_eight_misses(both: BothWays) -> None:
    """One slot for all services here."""
    both.forget()
    both.run(A)
    other = Flow(ports=(80, 40000))
    for _ in range(LIVES):
        both.run(other)
        assert service_in_slot(both) == 53
    both.run(other)
    assert service_in_slot(both) == 80
    both.run(A, "rx", LIVES - 1)
    both.run(other, "tx")  # gives it its lives back
    both.run(A, "rx", LIVES)
    assert service_in_slot(both) == 80
    both.run(A)
    assert service_in_slot(both) == 53


def service_in_slot(both: BothWays) -> int:
    slots = both.maps["service_cache"].read_array(SERVICE_SLOT)
    return int(slots[both.cpu]["key"]["number"])  # tm_service_slots is 1


def test_services_that_differ_in_one_thing_are_apart(both: BothWays) -> None:
    """Port, protocol, IP version, kind and interface, all meeting in one slot."""
    both.forget()
    v6 = A.of(addresses=(bytes(15) + b"\x01", bytes(15) + b"\x02"))
    shapes = [A, v6, A.of(protocol=wire.TCP), Flow(ports=(54, 40000)), Flow(ports=(309, 40000))]
    for times, flow in enumerate(shapes, start=1):
        both.run(flow, "rx", times)
    gre = wire.ipv4(bytes(20), wire.GRE, (b"\x01\x01\x01\x01", b"\x02\x02\x02\x02"))
    both.by_way["rx"].run(wire.link(0x0800, gre) + gre, 6)
    both.by_way["rx"].run(wire.link(0x0806, b"") + bytes(28), 7)
    broken = b"\x00" * 40
    both.by_way["rx"].run(wire.link(0x0800, b"") + broken, 8)
    both.by_way["rx"].run(wire.link(0x86DD, b"") + broken, 9)
    with Harness(Hook.TC_RX, row=0, shared=both.maps, constants={"tm_service_slots": 1}) as other:
        other.run(A.frame("rx"), 10)
    services = both.by_way["rx"].services()
    assert sorted(services.values["rx_packets"].tolist()) == list(range(1, 11))
    assert services.values["tx_packets"].sum() == 0
    in_order = np.argsort(services.values["rx_packets"])[:9]
    keys = services.keys[in_order]
    assert keys["kind"].tolist() == [1, 1, 1, 1, 1, 2, 3, 4, 4]
    assert keys["ip_version"].tolist() == [4, 6, 4, 4, 4, 4, 0, 4, 6]
    assert keys["number"].tolist() == [53, 53, 53, 54, 309, 0, 0x0806, 0, 0]
    assert keys["protocol"].tolist() == [17, 17, 6, 17, 17, 47, 0, 0, 0]


def test_readers_see_each_change_of_a_slot() -> None:
    """sequence is even at rest, two more after a new resident or a write-back, not after a hit."""
    with both_ways(constants={"tm_flush_jiffies": 0, "tm_service_slots": 1}) as both:

        def sequences() -> tuple[int, int]:
            (only,) = both.sets()
            services = both.maps["service_cache"].read_array(SERVICE_SLOT)
            return int(only["way"]["sequence"][0]), int(services[both.cpu]["sequence"])

        both.run(A)
        assert sequences() == (2, 2)
        time.sleep(3 * JIFFY_S)
        both.run(A)
        assert sequences() == (4, 2)
    with both_ways(constants={"tm_service_slots": 1}) as both:
        both.run(A, "rx", 50)
        both.run(B)
        assert sequences() == (2, 2)
        both.run(Flow(ports=(80, 9)), "rx", LIVES + 1)
        assert sequences() == (4, 4)


SOCKET = dtype_of("tm_socket")


class Sockets:
    """Sockets of this process, with the storage that says whose they are."""

    def __init__(self, maps: dict[str, Map], open_: ExitStack) -> None:
        self._maps, self._open = maps, open_

    def own(self, sock: socket.socket, owner_id: int) -> None:
        storage = np.zeros(1, SOCKET)
        storage["owner_id"] = owner_id
        fd = sock.fileno().to_bytes(4, "little")
        self._maps["sockets"].update(fd, storage.tobytes())

    def make(  # an end is an address with a port
        self,
        here: tuple[str, int],
        owner_id: int,
        there: tuple[str, int] | None = None,
        kind: socket.SocketKind = socket.SOCK_DGRAM,
    ) -> socket.socket:
        family = socket.AF_INET6 if ":" in here[0] else socket.AF_INET
        made = self._open.enter_context(socket.socket(family, kind))
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(here)
        if there:
            made.connect(there)
        if kind == socket.SOCK_STREAM:
            made.listen()
        self.own(made, owner_id)
        return made


@pytest.fixture
def owned() -> Iterator[tuple[BothWays, Sockets]]:
    """Owners of flows are looked up with each jiffy."""
    with ExitStack() as open_:
        both = open_.enter_context(both_ways(constants={"tm_flush_jiffies": 0}))
        yield both, Sockets(both.maps, open_)


def free_port() -> int:
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def loopback(here: str, port: int, there: str, remote_port: int, protocol: int = 17) -> Flow:
    family = socket.AF_INET6 if ":" in here else socket.AF_INET
    addresses = tuple(socket.inet_pton(family, one) for one in (here, there))
    return Flow((port, remote_port), addresses, protocol)


def owner(both: BothWays, flow: Flow) -> int:
    return int(both.value(flow)["owner_id"])


def test_a_datagrams_flow_is_of_the_socket_that_will_have_it(
    owned: tuple[BothWays, Sockets],
) -> None:
    """By both ends, both families; TCP's flows are of who answers, so they are not looked up."""
    both, sockets = owned
    port = free_port()
    for host, here, there in ((1, "127.0.0.1", "127.0.0.9"), (2, "::1", "::1")):
        for number in range(3):
            sockets.make((here, port), 100 * host + number, (there, 6000 + number))
    sockets.make(("127.0.0.2", port), 777)
    sockets.make(("127.0.0.1", port), 888, kind=socket.SOCK_STREAM)
    for number in range(3):
        for host, here, there in ((1, "127.0.0.1", "127.0.0.9"), (2, "::1", "::1")):
            flow = loopback(here, port, there, 6000 + number)
            both.run(flow)
            assert owner(both, flow) == 100 * host + number
    cases = {
        loopback("127.0.0.2", port, "127.0.0.9", 6000): 777,
        loopback("127.0.0.1", port, "127.0.0.9", 6003): 0,
        loopback("127.0.0.1", port, "127.0.0.8", 6000): 0,
        loopback("127.0.0.1", port, "127.0.0.9", 6000, wire.TCP): 0,
    }
    for flow, expected in cases.items():
        both.run(flow)
        assert owner(both, flow) == expected, flow


def test_what_goes_out_is_not_given_to_whoever_listens_there(
    owned: tuple[BothWays, Sockets],
) -> None:
    both, sockets = owned
    port = free_port()
    sockets.make(("127.0.0.1", port), 5)
    flow = loopback("127.0.0.1", port, "127.0.0.9", 7000)
    both.run(flow, "tx", 5)
    assert owner(both, flow) == 0


def test_an_owner_is_looked_up_again_and_the_last_one_holds(
    owned: tuple[BothWays, Sockets],
) -> None:
    both, sockets = owned
    port = free_port()
    flow = loopback("127.0.0.1", port, "127.0.0.9", 7000)
    first = sockets.make(("127.0.0.1", port), 5)
    both.run(flow)
    assert owner(both, flow) == 5
    sockets.own(first, 6)
    time.sleep(3 * JIFFY_S)
    both.run(flow)
    assert (owner(both, flow), int(both.in_table(flow)["owner_id"])) == (6, 6)
    first.close()
    time.sleep(3 * JIFFY_S)
    both.run(flow)
    assert owner(both, flow) == 6  # of what has no socket any more nothing new is known


def test_within_a_second_it_is_not_looked_up_again() -> None:
    with ExitStack() as open_:
        both = open_.enter_context(both_ways())
        sockets, port = Sockets(both.maps, open_), free_port()
        flow = loopback("127.0.0.1", port, "127.0.0.9", 7000)
        held = sockets.make(("127.0.0.1", port), 5)
        both.run(flow)
        sockets.own(held, 6)
        both.run(flow, "rx", 30)
        assert owner(both, flow) == 5


def test_who_takes_a_place_in_the_cache_does_not_inherit_its_owner(
    owned: tuple[BothWays, Sockets],
) -> None:
    both, sockets = owned
    port = free_port()
    mine = loopback("127.0.0.1", port, "127.0.0.9", 7000)
    sockets.make(("127.0.0.1", port), 5)
    both.run(mine, "rx", 50)
    time.sleep(3 * JIFFY_S)
    both.run(mine, "rx", 3)  # looked up, and the slot has the answer
    (only,) = both.sets()
    assert only["way"]["owner_id"][0] == 5
    strangers = [Flow(ports=(53, 40000 + number)) for number in range(2 * LIVES + 4)]
    for stranger in strangers:
        both.run(stranger)
    assert mine not in both.residents()
    time.sleep(3 * JIFFY_S)
    for stranger in strangers:
        both.run(stranger)
        assert owner(both, stranger) == 0
    assert owner(both, mine) == 5


def test_of_two_cpus_the_later_answer_holds(owned: tuple[BothWays, Sockets]) -> None:
    """Also where the earlier one is written back last."""
    both, sockets = owned
    cpus = sorted(range(os.cpu_count() or 1))
    if len(cpus) < 2:
        pytest.skip("this machine has one CPU")
    port = free_port()
    flow = loopback("127.0.0.1", port, "127.0.0.9", 7000)
    held = sockets.make(("127.0.0.1", port), 5)
    with on_cpu(cpus[1]):
        both.run(flow)
        time.sleep(3 * JIFFY_S)
        both.run(flow)  # looked up there
        both.run(flow, "rx", 5)  # and the slot has something to write back
        sockets.own(held, 6)
    with on_cpu(cpus[0]):
        both.run(flow)
        time.sleep(3 * JIFFY_S)
        both.run(flow)
        assert both.in_table(flow)["owner_id"] == 6
    with on_cpu(cpus[1]):
        for number in range(40):
            both.run(Flow(ports=(60000 + number, 1)), "rx", 1 if number else 100)
    assert both.in_table(flow)["owner_id"] == owner(both, flow) == 6
    assert both.counted()[flow][0] == 9


def side_by_side(harnesses: list[Harness], frames: list[bytes], packets: int) -> None:
    """Each frame through its program, on CPUs of their own, at the same time."""
    failures: list[BaseException] = []
    barrier = threading.Barrier(len(frames))

    def one(cpu: int, harness: Harness, frame: bytes) -> None:
        try:
            os.sched_setaffinity(0, {cpu})
            barrier.wait(10)
            harness.run(frame, packets)
        except BaseException as failure:  # noqa: BLE001 - raised below
            failures.append(failure)

    threads = [
        threading.Thread(target=one, args=(cpu, harness, frame))
        for cpu, (harness, frame) in enumerate(zip(harnesses, frames, strict=True))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


needs_two_cpus = pytest.mark.skipif(
    (os.cpu_count() or 1) < 2, reason="this machine has one CPU: nothing can meet"
)
PACKETS = 300_000


def leave_the_cache_out(both: BothWays) -> None:
    """All CPUs: each packet of what follows goes to the table itself."""
    cells = np.zeros(both.maps["hook_counters"].facts().max_entries, HOOK_COUNTERS)
    cells["cache_skip"] = ALL_ONES
    both.maps["hook_counters"].update_many(np.arange(len(cells), dtype=np.uint32), cells)


@needs_two_cpus
@pytest.mark.parametrize("way", ["rx", "tx"])
def test_cpus_that_count_one_flow_in_the_table_lose_nothing(both: BothWays, way: Way) -> None:
    both.forget()
    leave_the_cache_out(both)
    harness = both.by_way[way]
    frame = A.frame(way)
    side_by_side([harness] * 2, [frame] * 2, PACKETS)
    counts = (2 * PACKETS, 2 * PACKETS * len(frame))
    assert counts_of(both.in_table(A)) == ((*counts, 0, 0) if way == "rx" else (0, 0, *counts))


@needs_two_cpus
@pytest.mark.parametrize("way", ["rx", "tx"])
def test_cpus_that_count_one_service_past_the_cache_lose_nothing(both: BothWays, way: Way) -> None:
    """Other services have the slots, with more lives than there are packets."""
    both.forget()
    slots = both.maps["service_cache"].read_array(SERVICE_SLOT).copy()
    slots["key"]["kind"], slots["key"]["number"], slots["lives"] = 1, 9999, ALL_ONES
    both.maps["service_cache"].update_many(np.arange(len(slots), dtype=np.uint32), slots)
    harness = both.by_way[way]
    frame = A.frame(way)
    side_by_side([harness] * 2, [frame] * 2, PACKETS)
    services = harness.services()
    (found,) = (
        counts_of(value)
        for key, value in zip(services.keys, services.values, strict=True)
        if key["number"] == 53
    )
    counts = (2 * PACKETS, 2 * PACKETS * len(frame))
    assert found == ((*counts, 0, 0) if way == "rx" else (0, 0, *counts))
