# SPDX-License-Identifier: MIT
"""Frames and fragments written by hand, and a part of the corpus, through the programs.

Each verdict is the reference parser's (tests/corpus), which shares nothing with the kernel side.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest

from tests.corpus import examples, fragment_examples, wire
from tests.corpus.generate import frames
from tests.corpus.reference import Reference
from tests.corpus.wire import flipped
from tests.kernel.harness import Harness, hash_table
from tests.kernel.program import attached
from tests.kernel.test_corpus import DIRECTIONS, _compare, refused_by_the_kernel
from tests.lab.lab import Lab
from tests.lab.raw import send_frames
from trafficmon.layout import LEDGER, FlowFlag, Hook

pytestmark = pytest.mark.kernel

FRAMES, SEED = 4000, 20_261_129
HOOKS = list(DIRECTIONS)


@pytest.fixture(scope="module")
def harnesses() -> Iterator[dict[Hook, Harness]]:
    with Harness(HOOKS[0]) as a, Harness(HOOKS[1]) as b, Harness(HOOKS[2]) as c:
        yield dict(zip(HOOKS, (a, b, c), strict=True))


def forget(harness: Harness) -> None:
    """Fragments, too."""
    harness.forget()
    fragments = harness.maps["fragments"]
    facts = fragments.facts()
    key, value = (np.dtype((np.void, n)) for n in (facts.key_bytes, facts.value_bytes))
    for known in fragments.read_all(key, value)[0]:
        fragments.delete(known.tobytes())


def compare(harness: Harness, batch: list[bytes]) -> None:
    """What the program makes of ``batch``, in its order, is what the reference does."""
    reference = Reference(DIRECTIONS[harness.hook])
    verdicts = [reference.parse(frame) for frame in batch]
    forget(harness)
    before = harness.totals()
    for frame in batch:
        harness.run(frame)
    _compare(harness, harness.hook, batch, verdicts)
    after = harness.totals()
    broken = sum(verdict.kind == "broken" for verdict in verdicts)
    assert after["parse_errors"] - before["parse_errors"] == broken
    assert after["bytes"] - before["bytes"] == sum(map(len, batch))
    assert (after["packets_by_size"] - before["packets_by_size"]).sum() == len(batch)
    assert after["super_packets"] == 0


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.name.lower())
def test_frames_written_by_hand(harnesses: dict[Hook, Harness], hook: Hook) -> None:
    tried = 0
    for name, (frame, verdict) in examples.EXAMPLES.items():
        if refused_by_the_kernel(frame, hook):
            continue
        assert Reference("rx").parse(frame) == verdict, name
        compare(harnesses[hook], [frame])
        tried += 1
    assert tried > 80


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.name.lower())
def test_sequences_of_fragments_written_by_hand(harnesses: dict[Hook, Harness], hook: Hook) -> None:
    for name, (sequence, verdicts) in fragment_examples.EXAMPLES.items():
        reference = Reference("rx")
        assert [reference.parse(frame) for frame in sequence] == verdicts, name
        compare(harnesses[hook], sequence)


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.name.lower())
def test_a_part_of_the_corpus(harnesses: dict[Hook, Harness], hook: Hook) -> None:
    """All of it is among the tests that take minutes (test_corpus.py)."""
    batch = [f for f in islice(frames(FRAMES, SEED), FRAMES) if not refused_by_the_kernel(f, hook)]
    for begin in range(0, len(batch), 400):
        compare(harnesses[hook], batch[begin : begin + 400])


V4 = (b"\x0a\x00\x00\x01", b"\x0a\x00\x00\x02")
V6 = (b"\xfd" + bytes(14) + b"\x01", b"\xfd" + bytes(14) + b"\x02")


def fragment(
    addresses: tuple[bytes, bytes], units: int, *, more: bool, number: int = 7, protocol: int = 17
) -> bytes:
    """Of a datagram from port 40000 to 53: the first has the UDP header and 24 bytes."""
    body = wire.transport(protocol, 40000, 53, bytes(24)) if not units else bytes(8)
    if len(addresses[0]) == 4:
        packet = wire.ipv4(
            body,
            protocol,
            addresses,
            datagram_id=number,
            fragment_units=units,
            more_fragments=more,
        )
        return wire.link(0x0800, packet) + packet
    extension = wire.fragment_extension(units, number, more=more)
    kind, payload = wire.chain([extension], protocol, body)
    packet = wire.ipv6(payload, kind, addresses)
    return wire.link(0x86DD, packet) + packet


def later_has_ports(harness: Harness, first: bytes, later: bytes) -> bool:
    """Whether the later fragment is counted under the first one's ports."""
    forget(harness)
    harness.run(first)
    harness.run(later)
    keys = harness.flows().keys
    return all(key["flags"] & FlowFlag.PORTS for key in keys)


@pytest.mark.parametrize("addresses", [V4, V6], ids=["ipv4", "ipv6"])
def test_each_bit_of_what_distinguishes_datagrams(
    harnesses: dict[Hook, Harness], addresses: tuple[bytes, bytes]
) -> None:
    """Both addresses, the identification, with IPv4 the protocol: one bit off is another one."""
    harness = harnesses[Hook.TC_RX]
    first = fragment(addresses, 0, more=True)
    assert later_has_ports(harness, first, fragment(addresses, 4, more=False))
    for bit in range(8 * len(addresses[0])):
        for end in (0, 1):
            changed = flipped(addresses[end], bit)
            other = (addresses[0], changed) if end else (changed, addresses[1])
            assert not later_has_ports(harness, first, fragment(other, 4, more=False)), bit
    for bit in range(16 if addresses == V4 else 32):
        later = fragment(addresses, 4, more=False, number=7 ^ 1 << bit)
        assert not later_has_ports(harness, first, later), bit
    later = fragment(addresses, 4, more=False, protocol=6)
    assert later_has_ports(harness, first, later) == (addresses == V6)


def test_fragments_of_another_interface_or_direction_are_another_datagrams() -> None:
    with (
        Harness(Hook.TC_RX) as first,
        Harness(Hook.TC_RX, row=0, shared=first.maps) as another,
        Harness(Hook.TC_TX, shared=first.maps) as outgoing,
        Harness(Hook.XDP_RX, shared=first.maps) as earlier,
    ):
        for harness in (another, outgoing, earlier):
            forget(first)
            first.run(fragment(V4, 0, more=True))
            harness.run(fragment(V4, 4, more=False))
            flags = sorted(key["flags"] & FlowFlag.PORTS for key in first.flows().keys)
            assert flags == [0, FlowFlag.PORTS]


def test_a_first_fragment_is_remembered_for_two_seconds() -> None:
    """Of 60 ms here, so that the limit is tried from both sides."""
    jiffies = 15
    with Harness(Hook.TC_RX, constants={"tm_flush_jiffies": jiffies}) as harness:
        second_s = jiffies * (1 / 250)
        for waited_s, remembered in ((1.6 * second_s, True), (2.5 * second_s, False)):
            forget(harness)
            harness.run(fragment(V4, 0, more=True))
            began = time.monotonic()
            time.sleep(waited_s)
            harness.run(fragment(V4, 4, more=False))
            if remembered and time.monotonic() - began > 1.9 * second_s:
                pytest.skip("this machine slept longer than requested")
            has_ports = all(key["flags"] & FlowFlag.PORTS for key in harness.flows().keys)
            assert has_ports == remembered


def test_first_fragments_that_find_no_room_are_counted() -> None:
    """Each: a table of another kind, that says when it is full, stands in for the LRU."""
    with (
        hash_table("fragments", 40, 24, 4) as full,
        Harness(Hook.TC_RX, shared={"fragments": full}) as harness,
    ):
        for number in range(10):
            harness.run(fragment(V4, 0, more=True, number=number))
        ledger = harness.maps["ledger"].read_array(LEDGER)
        assert int(ledger["fragment_insert_failures"].sum()) == 6


@pytest.mark.parametrize("mode", [(), ("--tc", "clsact"), ("--xdp", "native")])
def test_tags_that_the_kernel_has_taken_off_count_as_tags(mode: tuple[str, ...]) -> None:
    """tc is shown the outer one apart: with it four are looked behind, as when all are in front."""
    inner = struct.pack(">BBHHHBBH4s4s", 69, 0, 28, 0, 0, 64, 17, 0, *V4)
    sent = []
    for tags in range(1, 7):
        packet = inner + struct.pack(">HHHH", 40000, 100 + tags, 8, 0)
        sent.append(wire.link(0x0800, packet, tags=[0x8100] * tags) + packet)
    with Lab() as lab, attached(lab.server, lab.server_if, options=mode) as program:
        lab.server.run(["ip", "link", "set", lab.server_if, "promisc", "on"])
        send_frames(lab.client_end, sent)
        rows = {row["local_port"]: row for row in program.rows("flows")}
        (interface,) = program.rows("interfaces")
    assert sorted(rows) == [101, 102, 103, 104]
    for tags in range(1, 5):
        row = rows[100 + tags]
        assert (row["rx_packets"], row["rx_bytes"]) == (1, len(sent[tags - 1]))
        assert row["local_addr"] == socket.inet_ntop(socket.AF_INET, V4[1])
    assert interface["non_ip_packets"] == 2
    assert interface["rx_bytes"] == sum(map(len, sent))


@pytest.mark.parametrize("hook", [Hook.TC_RX, Hook.TC_TX])
def test_an_interface_without_ethernet_headers(hook: Hook) -> None:
    """Such as a tunnel: IP begins at once. BPF_PROG_TEST_RUN takes bytes 12 and 13 for the type."""
    body = wire.transport(wire.UDP, 40000, 53, bytes(30))
    packets = [
        (socket.AF_INET, wire.ipv4(body, wire.UDP, (b"\x08\x00\x00\x01", V4[1]))),
        (socket.AF_INET6, wire.ipv6(body, wire.UDP, (bytes(4) + b"\x86\xdd" + bytes(10), V6[1]))),
    ]
    with Harness(hook, constants={"tm_link_header_bytes": 0}) as harness:
        for family, packet in packets:
            forget(harness)
            harness.run(packet)
            flows = harness.flows()
            (key,), (value,) = flows.keys, flows.values
            end = "local" if hook == Hook.TC_RX else "remote"
            there = (V4 if family == socket.AF_INET else V6)[1]
            assert key[f"{end}_addr"].tobytes()[: len(there)] == there
            assert int(key[f"{end}_port_be"].byteswap()) == 53
            way = "rx" if hook == Hook.TC_RX else "tx"
            assert (value[f"{way}_packets"], value[f"{way}_bytes"]) == (1, len(packet))
        assert harness.totals()["parse_errors"] == 0
