# SPDX-License-Identifier: MIT
"""Which packets are copied out as DNS, and which bytes of them: on BPF_PROG_TEST_RUN."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from tests.corpus import wire
from tests.kernel.bothways import V4, V6, BothWays, Flow, Way, both_ways
from tests.kernel.harness import context_of
from trafficmon.layout import DNS, DNS_BYTES, EVENT_COUNTS, EVENT_KINDS, EventKind, Hook
from trafficmon.libbpf.ring import RingBuffer
from trafficmon.libbpf.system import possible_cpus

pytestmark = pytest.mark.kernel

DNS_PORT, MDNS_PORT, LLMNR_PORT = 53, 5353, 5355
CLIENT = 40000
SYN, FIN, RST, ACK = 2, 1, 4, 16
UDP_LITE = 136


@dataclass
class Copied:
    """A message: its head (DNS) and the bytes that follow."""

    head: Any
    data: bytes


@dataclass
class Copier:
    """The programs of an interface that copy DNS, and the one reader of their messages."""

    both: BothWays
    reader: RingBuffer
    records: list[bytes] = field(default_factory=list)

    def run(self, frame: bytes, way: Way = "rx", context: bytes = b"") -> list[Copied]:
        harness = self.both.by_way[way]
        harness.run(frame, context=b"" if harness.hook == Hook.XDP_RX else context)
        self.records.clear()
        while self.reader.consume(10_000):
            pass
        size = DNS.itemsize
        return [Copied(np.frombuffer(r[:size], DNS)[0], r[size:]) for r in self.records]

    def counts(self) -> tuple[int, int, int]:
        """Offered, delivered, lost."""
        cells = self.both.maps["event_counts"].read_array(EVENT_COUNTS)
        mine = cells.reshape(EVENT_KINDS, possible_cpus())[EventKind.DNS]
        a, b, c = (int(mine[name].sum()) for name in ("offered", "delivered", "lost"))
        return a, b, c


def copier_of(mask: int, first: Hook = Hook.TC_RX) -> Any:
    return both_ways(flow_sets=64, constants={"tm_copy_dns": mask}, first=first)


@pytest.fixture(scope="module", params=[Hook.TC_RX, Hook.XDP_RX], ids=["tc", "xdp"])
def copier(request: pytest.FixtureRequest) -> Iterator[Copier]:
    with copier_of(3, request.param) as both:
        records: list[bytes] = []
        with RingBuffer(both.maps["dns_messages"], records.append) as reader:
            yield Copier(both, reader, records)


def message_of(size: int) -> bytes:
    """Bytes that look like nothing: what they mean is user space's business."""
    return random.Random(size).randbytes(size)


def ip(
    body: bytes, protocol: int, way: Way = "rx", version: int = 4, options: bytes = b""
) -> bytes:
    """A frame of that direction, whose ports are in ``body``."""
    ends = V4 if version == 4 else V6
    addresses = (ends[1], ends[0]) if way == "rx" else (ends[0], ends[1])
    if version == 4:
        packet = wire.ipv4(body, protocol, addresses, options=options)
        return wire.link(0x0800, packet) + packet
    packet = wire.ipv6(body, protocol, addresses)
    return wire.link(0x86DD, packet) + packet


def udp(source: int, destination: int, message: bytes, **frame: Any) -> bytes:
    return ip(wire.transport(wire.UDP, source, destination, message), wire.UDP, **frame)


PORTS = (52, 53, 54, 5352, 5353, 5354, 5355, 5356, 0x3500, 0, CLIENT)


@pytest.mark.parametrize("way", ["rx", "tx"])
@pytest.mark.parametrize("protocol", [wire.UDP, wire.TCP, wire.SCTP, wire.DCCP, UDP_LITE])
def test_which_ports_are_dns(copier: Copier, protocol: int, way: Way) -> None:
    """53 by UDP and TCP; mDNS's and LLMNR's by UDP alone; either end's."""
    by_udp = {DNS_PORT, MDNS_PORT, LLMNR_PORT}
    expected = {wire.UDP: by_udp, wire.TCP: {DNS_PORT}}.get(protocol, set())
    for port in PORTS:
        for ports in ((port, CLIENT), (CLIENT, port), (port, port)):
            body = wire.transport(protocol, *ports, message_of(40))
            reported = copier.run(ip(body, protocol, way), way)
            assert len(reported) == int(port in expected), ports


@pytest.mark.parametrize("mask", [0, 1, 2, 3])
def test_which_directions_are_copied(mask: int) -> None:
    with copier_of(mask) as both, RingBuffer(both.maps["dns_messages"], _drop) as reader:
        copier = Copier(both, reader)
        for bit, way in ((1, "rx"), (2, "tx")):
            before = copier.counts()[1]
            frame = udp(CLIENT, 53, message_of(30), way=way)
            copier.both.by_way["rx" if way == "rx" else "tx"].run(frame)
            assert copier.counts()[1] - before == int(bool(mask & bit))


def _drop(_: bytes) -> None:
    """A reader that does not look."""


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("way", ["rx", "tx"])
def test_what_a_datagrams_copy_says(copier: Copier, way: Way, version: int) -> None:
    message = message_of(77)
    frame = udp(CLIENT, 53, message, way=way, version=version)
    (reported,) = copier.run(frame, way, context_of(ingress_ifindex=5))
    assert reported.data == message
    assert reported.head["bytes"] == reported.head["copied"] == len(message)
    assert (reported.head["event"]["kind"], reported.head["event"]["what"]) == (
        EventKind.DNS,
        way == "rx",
    )
    assert reported.head["ingress_ifindex"] == (5 if way == "tx" else 0)
    ports = (53, CLIENT) if way == "rx" else (CLIENT, 53)
    key = reported.head["key"]
    assert tuple(int(key[f"{e}_port_be"].byteswap()) for e in ("local", "remote")) == ports
    ends = V4 if version == 4 else V6
    size = len(ends[0])
    assert [key[f"{e}_addr"].tobytes()[:size] for e in ("local", "remote")] == list(ends)
    assert (reported.head["tcp_sequence"], reported.head["tcp_flags"]) == (0, 0)


def test_after_options_and_extensions(copier: Copier) -> None:
    message = message_of(50)
    (reported,) = copier.run(udp(53, CLIENT, message, options=b"\x01" * 12))
    assert reported.data == message
    body = wire.transport(wire.UDP, 53, CLIENT, message)
    number, payload = wire.chain([wire.extension(60, 1)], wire.UDP, body)
    packet = wire.ipv6(payload, number, (V6[1], V6[0]))
    (reported,) = copier.run(wire.link(0x86DD, packet, tags=(0x8100,)) + packet)
    assert reported.data == message


@pytest.mark.parametrize(
    "size", [1, 11, 12, 13, 511, DNS_BYTES - 1, DNS_BYTES, DNS_BYTES + 1, 1400]
)
def test_long_messages_are_cut_and_say_so(copier: Copier, size: int) -> None:
    message = message_of(size)
    (reported,) = copier.run(udp(53, CLIENT, message))
    assert reported.head["bytes"] == size
    assert reported.head["copied"] == min(size, DNS_BYTES)
    assert reported.data == message[:DNS_BYTES]


def test_padding_and_wrong_lengths(copier: Copier) -> None:
    """The message is as long as UDP says, unless that is nonsense; copied is what IP has of it."""
    message = message_of(60)
    (reported,) = copier.run(udp(53, CLIENT, message) + bytes(30))  # Ethernet's padding
    assert reported.data == message
    for stated, size in (
        (8 + 59, 59),
        (8 + 61, 61),
        (8 + 900, 900),
        (8, 0),
        (9, 1),
        (7, 60),
        (0, 60),
    ):
        body = bytearray(wire.transport(wire.UDP, 53, CLIENT, message))
        body[4:6] = stated.to_bytes(2, "big")
        (reported,) = copier.run(ip(bytes(body), wire.UDP))
        assert (reported.head["bytes"], reported.data) == (size, message[:size]), stated


def tcp(message: bytes, flags: int = ACK, sequence: int = 1, options: bytes = b"") -> bytes:
    body = bytearray(
        wire.transport(wire.TCP, CLIENT, 53, message, tcp_flags=flags, tcp_options=options)
    )
    body[4:8] = sequence.to_bytes(4, "big")
    return ip(bytes(body), wire.TCP)


def test_a_piece_of_a_stream_has_its_sequence_number(copier: Copier) -> None:
    message = message_of(90)
    for sequence in (0, 1, 0x01020304, 0xFFFFFFF0):
        (reported,) = copier.run(tcp(message, sequence=sequence, options=b"\x01" * 12))
        assert (reported.data, reported.head["tcp_sequence"]) == (message, sequence)
        assert reported.head["tcp_flags"] == ACK


def test_of_a_stream_without_bytes_only_its_ends_are_reported(copier: Copier) -> None:
    for flags in range(256):
        reported = copier.run(tcp(b"", flags))
        assert len(reported) == int(bool(flags & (SYN | FIN | RST))), flags
        if reported:
            assert (reported[0].head["bytes"], reported[0].data) == (0, b"")
            assert reported[0].head["tcp_flags"] == flags


@pytest.mark.parametrize("size", [DNS_BYTES, DNS_BYTES + 1, 2 * DNS_BYTES, 2 * DNS_BYTES + 1, 3300])
def test_a_long_piece_of_a_stream_comes_in_several(copier: Copier, size: int) -> None:
    """In order, each with the sequence number of its first byte; together they are all of it."""
    message = message_of(size)
    reported = copier.run(tcp(message, sequence=0xFFFFFF00))
    assert len(reported) == -(-size // DNS_BYTES)
    assert b"".join(piece.data for piece in reported) == message
    at = 0
    for piece in reported:
        assert piece.head["tcp_sequence"] == (0xFFFFFF00 + at) & 0xFFFFFFFF
        assert piece.head["bytes"] == size
        at += int(piece.head["copied"])


def test_a_full_ring_loses_and_counts(copier: Copier) -> None:
    frame = udp(53, CLIENT, message_of(1000))
    before = copier.counts()
    copier.both.by_way["rx"].run(frame, 8000)
    offered, delivered, lost = (b - a for a, b in zip(before, copier.counts(), strict=True))
    assert (offered, delivered + lost) == (8000, 8000)
    room = (1 << 22) // (-(-(8 + DNS.itemsize + 1000) // 8) * 8)
    assert room - 1 <= delivered <= room
    copier.records.clear()
    while copier.reader.consume(10_000):
        pass
    assert len(copier.records) == delivered


def test_what_is_copied_is_counted_as_any_packet(copier: Copier) -> None:
    copier.both.forget()
    flow = Flow(ports=(53, CLIENT))
    size = copier.both.run(flow, "rx", 3)
    assert copier.both.counted()[flow] == (3, 3 * size, 0, 0)
