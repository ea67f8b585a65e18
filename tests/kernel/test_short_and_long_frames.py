# SPDX-License-Identifier: MIT
"""Frames that BPF_PROG_TEST_RUN will not run, or not in the shape that they have on a wire."""

from __future__ import annotations

import socket
from collections import Counter
from itertools import islice

import pytest

from tests.corpus.generate import frames
from tests.corpus.reference import FlowKey, Reference, Verdict
from tests.kernel.everyday import mostly_long
from tests.kernel.program import Program, attached
from tests.kernel.test_corpus import refused_by_the_kernel
from tests.lab.lab import Lab
from tests.lab.raw import send_frames
from trafficmon.layout import Hook
from trafficmon.protocols import protocol_number
from trafficmon.tables.addresses import without_zone

pytestmark = pytest.mark.kernel

MODES = {"tcx": (), "clsact": ("--tc", "clsact"), "native": ("--xdp", "native")}


def _flows(program: Program, side: str) -> Counter[tuple[FlowKey, str]]:
    counted: Counter[tuple[FlowKey, str]] = Counter()
    for row in program.rows("flows"):
        family = socket.AF_INET6 if ":" in row["local_addr"] else socket.AF_INET
        key = FlowKey(
            6 if family == socket.AF_INET6 else 4,
            protocol_number(row["protocol"]),
            socket.inet_pton(family, without_zone(row["local_addr"])),
            row["local_port"],
            socket.inet_pton(family, without_zone(row["remote_addr"])),
            row["remote_port"],
        )
        counted[key, "packets"] = row[f"{side}_packets"]
        counted[key, "bytes"] = row[f"{side}_bytes"]
    return counted


def _expected(batch: list[bytes], verdicts: list[Verdict]) -> Counter[tuple[FlowKey, str]]:
    expected: Counter[tuple[FlowKey, str]] = Counter()
    for frame, verdict in zip(batch, verdicts, strict=True):
        if verdict.key is not None:
            expected[verdict.key, "packets"] += 1
            expected[verdict.key, "bytes"] += len(frame)
    return expected


@pytest.mark.parametrize("mode", mostly_long(MODES, "tcx", "native"))
def test_frames_too_short_for_their_ip_header(mode: str) -> None:
    """All such of the corpus, over a wire, out of one interface and into the other."""
    short = [f for f in frames(60_000, 7) if refused_by_the_kernel(f, Hook.TC_RX)]
    with (
        Lab() as lab,
        attached(lab.client, lab.client_if, options=MODES[mode]) as sender,
        attached(lab.server, lab.server_if, options=MODES[mode]) as receiver,
    ):
        send_frames(lab.client_end, short)
        (sent,) = sender.rows("interfaces")
        (received,) = receiver.rows("interfaces")

    assert len(short) > 300
    for row, side in ((sent, "tx"), (received, "rx")):
        assert row["parse_errors"] == row[f"{side}_packets"] == len(short)
        assert row[f"{side}_bytes"] == sum(map(len, short))
        assert row["ipv4_packets"] == row["ipv6_packets"] == row["non_ip_packets"] == 0


@pytest.mark.parametrize("mode", mostly_long(MODES, "tcx", "native"))
def test_headers_beyond_the_linear_part(mode: str) -> None:
    """Frames above a page, of AF_PACKET, carry all but 14 bytes in pages: headers too."""
    templates = [f for f in islice(frames(30_000, 11), 30_000) if len(f) > 60][:4_000]
    long = [frame + bytes(5000 - len(frame)) for frame in templates]
    outgoing, incoming = Reference("tx"), Reference("rx")
    with Lab(mtu=8000) as lab:
        options = MODES[mode]
        with (
            attached(lab.client, lab.client_if) as sender,
            attached(lab.server, lab.server_if, options=options) as receiver,
        ):
            send_frames(lab.client_end, long)
            sent, received = _flows(sender, "tx"), _flows(receiver, "rx")
            (row,) = receiver.rows("interfaces")

    assert sent == _expected(long, [outgoing.parse(frame) for frame in long])
    assert received == _expected(long, [incoming.parse(frame) for frame in long])
    assert row["rx_packets"] == len(long)
    assert row["rx_bytes"] == 5000 * len(long)
    assert row["packet_size"]["9000"] == len(long)
