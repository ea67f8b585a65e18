# SPDX-License-Identifier: MIT
"""Events of packets: which packets make one, what it says, and each limit from both sides."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from tests.corpus import wire
from tests.kernel.bothways import V6, BothWays, Flow, Way, both_ways
from tests.kernel.harness import FIRST_INTERFACE, ROW, context_of
from trafficmon.layout import (
    EVENT_CONTROL,
    EVENT_COUNTS,
    EVENT_KINDS,
    FLOW_KEY,
    PACKET_EVENT,
    EventKind,
    Hook,
)
from trafficmon.libbpf.ring import RingBuffer
from trafficmon.libbpf.system import possible_cpus
from trafficmon.records import FIRST_KEY

pytestmark = pytest.mark.kernel

JIFFY_S = 0.004
SECOND = 250  # jiffies
UNREAD = 5  # seconds until a reader that is silent is none
WAKE_BYTES = 65536
RECORD_BYTES = 8 + PACKET_EVENT.itemsize  # with the ring buffer's own header
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
UDP, TCP = Flow(), Flow(protocol=wire.TCP)


@dataclass
class Ring:
    """The programs of an interface, and the one reader of their events."""

    both: BothWays
    reader: RingBuffer
    records: list[bytes] = field(default_factory=list)

    def request_events(
        self,
        *kinds: EventKind,
        limit: int = 0,
        silent_s: float = 0,
        limits: dict[int, int] | None = None,
    ) -> None:
        """As a reader does: these kinds, and when it was last alive."""
        control = np.zeros(1, EVENT_CONTROL)
        control["alive_jiffies"] = self.now() - round(silent_s / JIFFY_S)
        control["kinds"] = sum(1 << kind for kind in kinds)
        control["limits"] = limit
        for kind, number in (limits or {}).items():
            control["limits"][0, kind] = number
        self.both.maps["event_control"].update(FIRST_KEY, control.tobytes())

    def now(self) -> int:
        """Jiffies, as a program of its own reads them: a flow's first packet has them."""
        probe = Flow(ports=(1, 1), addresses=(b"\1\1\1\1", b"\2\2\2\2"))
        self.both.maps["flows"].delete(self.key(probe).tobytes())
        self.both.by_way["rx"].forget()
        self.both.run(probe)
        return int(self.both.value(probe)["first_seen_jiffies"])

    def key(self, flow: Flow) -> Any:
        key = np.zeros(1, FLOW_KEY)
        for end, address in zip(("local", "remote"), flow.addresses, strict=True):
            key[f"{end}_addr"][0, : len(address)] = np.frombuffer(address, np.uint8)
        for end, port in zip(("local", "remote"), flow.ports, strict=True):
            key[f"{end}_port_be"] = np.uint16(port).byteswap()
        key["interface_id"], key["protocol"] = FIRST_INTERFACE + ROW, flow.protocol
        key["flags"] = 4 | (1 if len(flow.addresses[0]) == 4 else 2)
        return key

    def take(self) -> list[Any]:
        """What has come since."""
        self.records.clear()
        while self.reader.consume(100_000):
            pass
        return [np.frombuffer(record, PACKET_EVENT)[0] for record in self.records]

    def counts(self, kind: EventKind) -> tuple[int, int, int, int]:
        """Offered, delivered, limited, lost: on all CPUs."""
        cells = self.both.maps["event_counts"].read_array(EVENT_COUNTS)
        mine = cells.reshape(EVENT_KINDS, possible_cpus())[kind]
        a, b, c, d = (int(mine[n].sum()) for n in ("offered", "delivered", "limited", "lost"))
        return a, b, c, d


@pytest.fixture(scope="module", params=[Hook.TC_RX, Hook.XDP_RX], ids=["tc", "xdp"])
def loaded(request: pytest.FixtureRequest) -> Iterator[Ring]:
    constants = {"tm_second_jiffies": SECOND}
    with both_ways(flow_sets=64, constants=constants, first=request.param) as both:
        records: list[bytes] = []
        with RingBuffer(both.maps["events"], records.append) as reader:
            yield Ring(both, reader, records)


@pytest.fixture
def ring(loaded: Ring) -> Ring:
    """As if it had just been loaded: no reader, no event, no flow."""
    maps = loaded.both.maps
    maps["event_control"].update(FIRST_KEY, bytes(EVENT_CONTROL.itemsize))
    cells = np.zeros(EVENT_KINDS * possible_cpus(), EVENT_COUNTS)
    maps["event_counts"].update_many(np.arange(len(cells), dtype=np.uint32), cells)
    loaded.both.forget()
    loaded.take()
    return loaded


@pytest.mark.parametrize("way", ["rx", "tx"])
@pytest.mark.parametrize(
    "flow", [UDP, TCP, UDP.of(addresses=V6), TCP.of(addresses=V6), Flow(ports=(258, 772))]
)
def test_what_a_flows_first_packet_says(ring: Ring, flow: Flow, way: Way) -> None:
    ring.request_events(EventKind.FLOW)
    size = ring.both.run(flow, way, payload_bytes=33, tcp_flags=ACK | PSH)
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    ring.both.run(flow, way, 5)
    (event,) = ring.take()
    assert (event["event"]["kind"], event["event"]["what"]) == (EventKind.FLOW, way == "rx")
    assert event["key"].tobytes() == ring.key(flow).tobytes()
    assert event["bytes"] == size
    assert event["tcp_flags"] == (ACK | PSH if flow.protocol == wire.TCP else 0)
    assert event["event"]["owner_id"] == 0
    assert 0 < before - int(event["event"]["at_ns"]) < 5_000_000_000
    assert ring.counts(EventKind.FLOW) == (1, 1, 0, 0)


def test_a_super_packet_is_one_event_with_all_of_its_bytes(ring: Ring) -> None:
    ring.request_events(EventKind.FLOW)
    frame = TCP.frame("tx", 1000)
    ring.both.by_way["tx"].run(frame, context=context_of(gso_size=100, gso_segs=10))
    (event,) = ring.take()
    assert event["bytes"] == len(frame) + 9 * 54


@pytest.mark.parametrize("way", ["rx", "tx"])
def test_packets_that_open_and_end_connections(ring: Ring, way: Way) -> None:
    """SYN, FIN and RST, with whatever else; each of the other flags alone makes none."""
    ring.request_events(EventKind.TCP)
    expected = []
    for flags in range(256):
        ring.both.run(TCP, way, tcp_flags=flags)
        if flags & (FIN | SYN | RST):
            expected.append(flags)
    events = ring.take()
    assert [int(event["tcp_flags"]) for event in events] == expected
    assert {int(event["event"]["what"]) for event in events} == {int(way == "rx")}
    assert {int(event["event"]["kind"]) for event in events} == {EventKind.TCP}
    assert all(event["key"].tobytes() == ring.key(TCP).tobytes() for event in events)


@pytest.mark.parametrize("kind", list(EventKind))
def test_only_the_kinds_that_are_read_are_made(ring: Ring, kind: EventKind) -> None:
    ring.request_events(kind)
    ring.both.run(TCP, tcp_flags=SYN)
    events = ring.take()
    made = {int(event["event"]["kind"]) for event in events}
    assert made == ({kind} if kind in (EventKind.FLOW, EventKind.TCP) else set())
    for other in (EventKind.FLOW, EventKind.TCP):
        assert ring.counts(other) == ((1, 1, 0, 0) if other == kind else (0, 0, 0, 0))


def test_without_a_reader_nothing_is_offered(ring: Ring) -> None:
    ring.both.run(TCP, tcp_flags=SYN)
    assert ring.take() == []
    assert ring.counts(EventKind.TCP) == ring.counts(EventKind.FLOW) == (0, 0, 0, 0)


def test_a_reader_is_one_until_it_has_been_silent_for_five_seconds(ring: Ring) -> None:
    second_s = SECOND * JIFFY_S
    for silent_s, is_read in ((4.5 * second_s, True), (5.02 * second_s, False)):
        ring.request_events(EventKind.TCP, silent_s=silent_s)
        ring.both.run(TCP, tcp_flags=SYN)
        assert bool(ring.take()) == is_read


@pytest.mark.parametrize("limit", [1, 7])
def test_so_many_a_second_and_no_more(ring: Ring, limit: int) -> None:
    ring.request_events(EventKind.TCP, limit=limit)
    frame = TCP.frame("rx", tcp_flags=SYN)
    ring.both.by_way["rx"].run(frame, limit)
    assert ring.counts(EventKind.TCP) == (limit, limit, 0, 0)
    ring.both.by_way["rx"].run(frame, 3)
    assert ring.counts(EventKind.TCP) == (limit + 3, limit, 3, 0)
    time.sleep((SECOND + 3) * JIFFY_S)  # and the next second has as many again
    ring.request_events(EventKind.TCP, limit=limit)
    ring.both.by_way["rx"].run(frame, limit + 2)
    assert ring.counts(EventKind.TCP) == (2 * limit + 5, 2 * limit, 5, 0)
    assert len(ring.take()) == 2 * limit


def test_each_kind_has_a_limit_of_its_own(ring: Ring) -> None:
    limits: dict[int, int] = {EventKind.FLOW: 2, EventKind.TCP: 4, EventKind.CONN: 1}
    ring.request_events(EventKind.FLOW, EventKind.TCP, limits=limits)
    for number in range(6):
        ring.both.run(TCP.of(ports=(80, 40000 + number)), tcp_flags=SYN)
    assert ring.counts(EventKind.FLOW) == (6, 2, 4, 0)
    assert ring.counts(EventKind.TCP) == (6, 4, 2, 0)


def test_a_full_ring_loses_and_counts(ring: Ring) -> None:
    """All that is offered beyond its room, and no other."""
    ring.request_events(EventKind.TCP)
    ring.both.by_way["rx"].run(TCP.frame("rx", tcp_flags=SYN), 20_000)
    offered, delivered, limited, lost = ring.counts(EventKind.TCP)
    assert (offered, limited) == (20_000, 0)
    assert delivered + lost == offered
    room = (1 << 20) // (-(-RECORD_BYTES // 8) * 8)
    assert room - 1 <= delivered <= room
    assert len(ring.take()) == delivered


def test_a_reader_is_woken_when_much_is_waiting(ring: Ring) -> None:
    ring.request_events(EventKind.TCP)
    frame = TCP.frame("rx", tcp_flags=SYN)
    stored = -(-RECORD_BYTES // 8) * 8
    poll = select.poll()
    poll.register(ring.reader.fd, select.POLLIN)
    assert ring.reader.poll(0) == 0  # an earlier wake-up has been seen
    ring.both.by_way["rx"].run(frame, WAKE_BYTES // stored - 2)
    assert poll.poll(0) == []
    ring.both.by_way["rx"].run(frame, 4)
    assert len(poll.poll(1000)) == 1
