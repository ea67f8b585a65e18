# SPDX-License-Identifier: MIT
"""How large packets are: the buckets from both sides, and super-packets as the segments they are.

What segments add up to is computed by cutting the packet up as a device does (tcp_gso_segment(),
__udp_gso_segment()): each piece of the payload gets the headers again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.corpus import wire
from tests.kernel.harness import FIRST_INTERFACE, ROW, Harness, context_of
from trafficmon.layout import HOOK_COUNTERS, HOOKS, Hook, SizeBound
from trafficmon.libbpf.system import possible_cpus

pytestmark = pytest.mark.kernel

V4 = (b"\x0a\x00\x00\x01", b"\x0a\x00\x00\x02")
V6 = (bytes.fromhex("fd") + bytes(14) + b"\x01", bytes.fromhex("fd") + bytes(14) + b"\x02")
BOUNDS = (64, 128, 256, 512, 1024, 1518, 9000)
BY_FRAGS = 0xFFFF  # include/linux/skbuff.h: GSO_BY_FRAGS


def bucket_of(size: int) -> int:
    """Which of packets_by_size a packet of so many bytes belongs to: README, packet sizes."""
    return sum(size > bound for bound in BOUNDS)


def frame_of(size: int) -> bytes:
    """UDP in IPv4 of exactly so many bytes."""
    return built(V4, wire.UDP, size - 14 - 20 - 8)


def built(
    addresses: tuple[bytes, bytes],
    protocol: int,
    payload_bytes: int,
    *,
    ip_options: bytes = b"",
    tcp_options: bytes = b"",
    tags: tuple[int, ...] = (),
) -> bytes:
    body = wire.transport(protocol, 40000, 53, bytes(payload_bytes), tcp_options=tcp_options)
    if len(addresses[0]) == 4:
        kind, packet = 0x0800, wire.ipv4(body, protocol, addresses, options=ip_options)
    else:
        kind = 0x86DD
        number, payload = protocol, body
        if ip_options:
            number, payload = wire.chain([wire.extension(60)], protocol, body)
        packet = wire.ipv6(payload, number, addresses)
    return wire.link(kind, packet, tags=tags) + packet


def test_the_bounds_are_those_that_readers_know() -> None:
    assert tuple(SizeBound) == BOUNDS


@pytest.fixture(scope="module")
def received() -> Iterator[Harness]:
    with Harness(Hook.TC_RX, constants={"tm_read_kernel": 1}) as harness:
        yield harness


@pytest.fixture(scope="module")
def sent() -> Iterator[Harness]:
    with Harness(Hook.TC_TX) as harness:
        yield harness


@pytest.mark.parametrize("hook", [Hook.XDP_RX, Hook.TC_RX, Hook.TC_TX])
def test_each_bucket_from_both_sides(hook: Hook) -> None:
    """TC programs are run on a page at most here; the larger packets are XDP's."""
    most = 9002 if hook == Hook.XDP_RX else 3500
    with Harness(hook) as harness:
        sizes = [60, *(size for b in BOUNDS for size in (b - 1, b, b + 1)), 3000, 9002]
        seen: Counter[int] = Counter()
        for times, size in enumerate((s for s in sizes if s <= most), start=1):
            harness.run(frame_of(size), times)
            seen[bucket_of(size)] += times
            found = harness.totals()["packets_by_size"].tolist()
            assert found == [seen[number] for number in range(8)], size


Counted = tuple[int, int]


def segments_of(size: int, headers: int, gso_size: int) -> list[int]:
    """The sizes of the frames on the wire for one super-packet."""
    payload = size - headers
    pieces = [gso_size] * (payload // gso_size)
    if payload % gso_size or not pieces:
        pieces.append(payload % gso_size)
    return [headers + piece for piece in pieces]


def counted(harness: Harness, frame: bytes, context: bytes) -> tuple[Counted, list[int], int]:
    """Packets and bytes of its flow; of the hook the sizes, and how many were super-packets."""
    harness.forget()
    before = harness.totals()
    harness.run(frame, context=context)
    after = harness.totals()
    (flow,) = harness.flows().values
    way, other = ("tx", "rx") if harness.hook == Hook.TC_TX else ("rx", "tx")
    assert (flow[f"{other}_packets"], flow[f"{other}_bytes"]) == (0, 0)
    (service,) = harness.services().values
    total = int(flow[f"{way}_packets"]), int(flow[f"{way}_bytes"])
    assert total == (service[f"{way}_packets"], service[f"{way}_bytes"])
    assert total[1] == after["bytes"] - before["bytes"]
    sizes = (after["packets_by_size"] - before["packets_by_size"]).tolist()
    assert total[0] == sum(sizes)
    return total, sizes, int(after["super_packets"] - before["super_packets"])


SHAPES: dict[str, tuple[tuple[bytes, bytes], int, dict[str, Any], int]] = {
    "tcp over ipv4": (V4, wire.TCP, {}, 14 + 20 + 20),
    "tcp over ipv4 with options": (V4, wire.TCP, {"tcp_options": bytes(12)}, 14 + 20 + 32),
    "tcp with the most options": (V4, wire.TCP, {"tcp_options": bytes(40)}, 14 + 20 + 60),
    "ipv4 options": (V4, wire.TCP, {"ip_options": b"\x01" * 8}, 14 + 28 + 20),
    "tcp over ipv6": (V6, wire.TCP, {}, 14 + 40 + 20),
    "ipv6 with an extension": (V6, wire.TCP, {"ip_options": b"\x01"}, 14 + 48 + 20),
    "udp over ipv4": (V4, wire.UDP, {}, 14 + 20 + 8),
    "udp over ipv6": (V6, wire.UDP, {}, 14 + 40 + 8),
    "a tag in the frame": (V4, wire.TCP, {"tags": (0x8100,)}, 18 + 20 + 20),
}


@pytest.mark.parametrize("shape", list(SHAPES))
@pytest.mark.parametrize("direction", ["received", "sent"])
def test_super_packets_are_their_segments(
    request: pytest.FixtureRequest, direction: str, shape: str
) -> None:
    """Payloads around whole numbers of segments; the kernel's number of segments is no help."""
    harness: Harness = request.getfixturevalue(direction)
    addresses, protocol, options, headers = SHAPES[shape]
    for gso_size in (100, 536, 1000):
        for payload in (gso_size + 1, 2 * gso_size - 1, 2 * gso_size, 2 * gso_size + 1, 2899):
            frame = built(addresses, protocol, payload, **options)
            assert len(frame) == headers + payload
            segments = segments_of(len(frame), headers, gso_size)
            context = context_of(gso_size=gso_size, gso_segs=3)
            total, sizes, super_packets = counted(harness, frame, context)
            assert total == (len(segments), sum(segments)), (gso_size, payload)
            expected = Counter(bucket_of(size) for size in segments)
            assert sizes == [expected[number] for number in range(8)], (gso_size, payload)
            assert super_packets == 1


@pytest.mark.parametrize("payload", [1, 99, 100])
@pytest.mark.parametrize("direction", ["received", "sent"])
def test_a_super_packet_of_one_segment_is_a_packet(
    request: pytest.FixtureRequest, direction: str, payload: int
) -> None:
    harness: Harness = request.getfixturevalue(direction)
    frame = built(V4, wire.TCP, payload)
    context = context_of(gso_size=100, gso_segs=1)
    assert counted(harness, frame, context)[::2] == ((1, len(frame)), 0)


def test_segments_that_differ_in_size_are_as_many_as_the_kernel_says(received: Harness) -> None:
    """GSO_BY_FRAGS (SCTP): the bytes are those of the packet and the headers of all but one."""
    frame = built(V4, wire.UDP, 2000)
    context = context_of(gso_size=BY_FRAGS, gso_segs=5)
    total, _, super_packets = counted(received, frame, context)
    assert (total, super_packets) == ((5, len(frame) + 4 * 42), 1)


@pytest.mark.parametrize(
    ("gso_size", "edge"), [(b - 54 + d, b) for b in (64, 128, 256, 512, 1024) for d in (0, 1)]
)
def test_segments_at_the_bounds_of_buckets(received: Harness, gso_size: int, edge: int) -> None:
    """All segments but the last one are of one size; the last one has a bucket of its own."""
    frame = built(V4, wire.TCP, 2 * gso_size + 1)
    _, sizes, _ = counted(received, frame, context_of(gso_size=gso_size))
    expected = Counter({bucket_of(54 + gso_size): 2})
    expected[bucket_of(55)] += 1
    assert sizes == [expected[number] for number in range(8)], edge


def test_what_another_interface_counts_is_apart(received: Harness) -> None:
    """Each interface, hook and CPU has a cell of its own."""
    with (
        Harness(Hook.TC_RX, row=0, shared=received.maps) as another,
        Harness(Hook.TC_TX, shared=received.maps) as outgoing,
    ):
        before = received.totals()
        another.run(frame_of(100), 3)
        outgoing.run(frame_of(200), 4)
        assert received.totals() == before
        assert another.totals()["packets_by_size"].tolist() == [0, 3, 0, 0, 0, 0, 0, 0]
        assert outgoing.totals()["packets_by_size"].tolist() == [0, 0, 4, 0, 0, 0, 0, 0]
        assert (another.totals()["bytes"], outgoing.totals()["bytes"]) == (300, 800)
        marks = set(received.flows().keys["interface_id"].tolist())
        assert marks == {FIRST_INTERFACE, FIRST_INTERFACE + ROW}
        rows = set(received.services().keys["row"].tolist())
        assert rows == {0, ROW}


def test_generic_xdp_counts_its_own_totals_and_no_flows() -> None:
    """It comes after GRO: tc counts the flows."""
    with Harness(Hook.XDP_RX, constants={"tm_count_flows": 0}) as harness:
        harness.run(frame_of(100), 5)
        assert len(harness.flows().keys) == len(harness.services().keys) == 0
        cells = harness.maps["hook_counters"].read_array(HOOK_COUNTERS)
        cells = cells.reshape(2, HOOKS, possible_cpus())
        assert cells[ROW, Hook.XDP_GENERIC]["bytes"].sum() == 500
        assert cells[ROW, Hook.XDP_RX]["bytes"].sum() == 0
