# SPDX-License-Identifier: MIT
"""The reference parser against frames written by hand, the generator against its promises."""

import hashlib
import os
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given, settings
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from tests.corpus import examples, fragment_examples
from tests.corpus.by_hand import A4, B4, BOTTOM, UDP4, frame
from tests.corpus.census import CLASSES, census
from tests.corpus.fragment_examples import FIRST4, KNOWN4, SECOND4
from tests.corpus.generate import _Corpus, frames
from tests.corpus.reference import FlowKey, Reference, Verdict
from tests.corpus.strategies import fragments_strategy, frame_strategy
from tests.corpus.templates import templates


@pytest.mark.parametrize("name", examples.EXAMPLES)
def test_single_frames(name: str) -> None:
    data, verdict = examples.EXAMPLES[name]

    assert Reference("rx").parse(data) == verdict


@pytest.mark.parametrize("name", fragment_examples.EXAMPLES)
def test_fragments(name: str) -> None:
    sequence, verdicts = fragment_examples.EXAMPLES[name]
    reference = Reference("rx")

    assert [reference.parse(data) for data in sequence] == verdicts


def test_sent_frames_have_their_source_here() -> None:
    key = FlowKey(4, 17, bytes.fromhex(A4), 5000, bytes.fromhex(B4), 53)

    assert Reference("tx").parse(frame("0800", UDP4)) == Verdict("flow", key, None, None, 0)


def test_no_whole_ethernet_header() -> None:
    with pytest.raises(ValueError, match="give at least 14"):
        Reference("rx").parse(bytes(13))


def test_fragments_are_of_one_datagram_whatever_the_link() -> None:
    reference = Reference("rx")
    reference.parse(frame("8100", "0005 0800", FIRST4))

    assert reference.parse(frame("8847", BOTTOM, SECOND4)) == KNOWN4


def test_fragments_from_the_other_end_are_another_datagram() -> None:
    reference = Reference("rx")
    reference.parse(frame("0800", FIRST4))
    back = SECOND4.replace(f"{A4} {B4}", f"{B4} {A4}")
    key = FlowKey(4, 17, bytes.fromhex(A4), None, bytes.fromhex(B4), None)

    assert reference.parse(frame("0800", back)).key == key


def test_fragments_from_or_to_another_host_are_another_datagram() -> None:
    reference = Reference("rx")
    reference.parse(frame("0800", FIRST4))
    others = [SECOND4.replace(host, "0a000003") for host in (A4, B4)]
    keys = [reference.parse(frame("0800", packet)).key for packet in others]

    assert [key and key.local_port for key in keys] == [None, None]
    assert reference.parse(frame("0800", SECOND4)) == KNOWN4


def test_verdicts_name_fragments() -> None:
    reference = Reference("rx")
    reported = [reference.parse(frame("0800", p)).fragment for p in (FIRST4, SECOND4, UDP4)]

    assert reported == ["first", "later", None]


def test_the_same_seed_gives_the_same_frames() -> None:
    """Also in another process, where sets and dictionaries may be in another order."""
    script = (
        "import hashlib; from tests.corpus.generate import frames;"
        "print(hashlib.sha256(b''.join(frames(3000, seed=5))).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "99", "PYTHONPATH": os.pathsep.join(sys.path)}
    answer = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )

    assert answer.stdout.strip() == hashlib.sha256(b"".join(frames(3000, seed=5))).hexdigest()
    assert list(frames(300, seed=5)) != list(frames(300, seed=6))


def test_frame_lengths() -> None:
    lengths = [len(data) for data in frames(20_000, seed=7)]

    assert len(lengths) == 20_000
    assert min(lengths) == 14
    assert max(lengths) <= 3000
    assert 0 < sum(length > 1514 for length in lengths) < 200


def test_every_template_is_cut_at_every_byte() -> None:
    expected = Counter(
        length for made in templates().values() for length in range(14, len(made.data))
    )
    cuts = _Corpus(seed=8)._cuts

    assert Counter(len(next(cuts).data) for _ in range(expected.total())) == expected


def test_every_class_of_frames_is_there() -> None:
    reference = Reference("rx")
    counted = census(reference.parse(data) for data in frames(40_000, seed=9))
    much = ("flow", "non_ip", "broken", "ipv4", "ipv6", "with_ports", "without_ports", "tcp_flags")
    fragments = ("first_fragment", "later_fragment_with_ports", "later_fragment_without_ports")

    assert counted["frames"] == 40_000
    assert [name for name in (*much, *fragments) if counted[name] < 2000] == []
    assert [name for name in CLASSES if counted[name] < 200] == []
    assert set(counted) == {*CLASSES, "frames"}


def test_the_reference_agrees_with_scapy_on_outer_headers() -> None:
    """On all templates that scapy can follow: not those after too many tags or labels."""
    checked = 0
    for name, made in templates().items():
        verdict = Reference("tx").parse(made.data)
        layer = Ether(made.data).getlayer(IP if made.version == 4 else IPv6)
        if verdict.kind != "flow" or verdict.key is None or layer is None:
            continue
        outer = bytes(layer)[12:20] if made.version == 4 else bytes(layer)[8:40]
        assert verdict.key.local_addr + verdict.key.remote_addr == outer, name
        if verdict.key.local_port is not None and hasattr(layer.payload, "sport"):
            assert verdict.key.local_port == layer.payload.sport, name
            assert verdict.key.remote_port == layer.payload.dport, name
            checked += 1

    assert checked > 50


def assert_mirrored(received: Verdict, sent: Verdict) -> None:
    """The two directions say the same of a frame, but for which end is here."""
    assert (received.kind, received.ethertype, received.version) == (
        sent.kind,
        sent.ethertype,
        sent.version,
    )
    assert received.tcp_flags == sent.tcp_flags
    if received.key is None or sent.key is None:
        assert received.key == sent.key
        return
    ends = (sent.key.remote_addr, sent.key.remote_port, sent.key.local_addr, sent.key.local_port)
    assert received.key == FlowKey(sent.key.version, sent.key.protocol, *ends)


@settings(max_examples=300, deadline=None)
@given(frame_strategy())
def test_both_directions_mirror_each_other(data: bytes) -> None:
    assert 14 <= len(data) <= 3000
    assert_mirrored(Reference("rx").parse(data), Reference("tx").parse(data))


@settings(max_examples=100, deadline=None)
@given(fragments_strategy())
def test_both_directions_remember_the_same_fragments(sequence: list[bytes]) -> None:
    rx, tx = Reference("rx"), Reference("tx")
    for data in sequence:
        assert_mirrored(rx.parse(data), tx.parse(data))
