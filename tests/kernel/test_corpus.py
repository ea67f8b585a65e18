# SPDX-License-Identifier: MIT
"""Every frame of the corpus through the programs, in the kernel, against the independent parser."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from itertools import islice

import pytest
from hypothesis import HealthCheck, given, settings

from tests.corpus.census import census
from tests.corpus.generate import frames
from tests.corpus.reference import Direction, FlowKey, Reference, Verdict
from tests.corpus.strategies import frame_strategy
from tests.kernel.harness import Harness
from trafficmon.layout import FlowFlag, Hook, ServiceKind

pytestmark = pytest.mark.kernel

FRAMES = int(os.environ.get("TRAFFICMON_CORPUS_FRAMES", "200000"))
SEED = 20_251_121
BATCH = 400
DIRECTIONS: dict[Hook, Direction] = {Hook.XDP_RX: "rx", Hook.TC_RX: "rx", Hook.TC_TX: "tx"}
# Classes that each must be a real part of the corpus, not a stray frame.
FREQUENT = ("with_ports", "without_ports", "non_ip", "broken_ipv4", "broken_ipv6", "tcp_flags")
PRESENT = (
    "later_fragment_with_ports",
    "later_fragment_without_ports",
    "first_fragment",
    "sctp",
    "dccp",
)

Counted = dict[FlowKey, tuple[int, int, int]]  # packets, bytes, TCP flags


def refused_by_the_kernel(frame: bytes, hook: Hook) -> bool:
    """Whether BPF_PROG_TEST_RUN will not run a tc program on it.

    Since 6.18 (bpf_prog_test_run_skb()) not on IP packets shorter than their fixed header. XDP runs
    on them, and test_short_frames.py sends them over a wire.
    """
    shortest = {b"\x08\x00": 14 + 20, b"\x86\xdd": 14 + 40}.get(frame[12:14], 0)
    return hook != Hook.XDP_RX and len(frame) < shortest


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("hook", list(DIRECTIONS), ids=lambda hook: hook.name.lower())
def test_every_frame_is_counted_as_the_reference_says(hook: Hook) -> None:
    reference = Reference(DIRECTIONS[hook])
    seen: Counter[str] = Counter()
    with Harness(hook) as harness:
        total_bytes = total_broken = refused = 0
        for whole_batch in _batches(frames(FRAMES, SEED)):
            batch = [frame for frame in whole_batch if not refused_by_the_kernel(frame, hook)]
            refused += len(whole_batch) - len(batch)
            verdicts = [reference.parse(frame) for frame in batch]
            for frame in batch:
                harness.run(frame)
            _compare(harness, hook, batch, verdicts)
            harness.forget()
            seen += census(verdicts)
            total_bytes += sum(map(len, batch))
            total_broken += sum(verdict.kind == "broken" for verdict in verdicts)
        totals = harness.totals()

    assert seen["frames"] + refused == FRAMES
    assert refused < FRAMES * 0.1
    assert int(totals["packets_by_size"].sum()) == seen["frames"]
    assert int(totals["bytes"]) == total_bytes
    assert int(totals["parse_errors"]) == total_broken
    for name in FREQUENT:
        assert seen[name] > FRAMES * 0.02, f"{name} is hardly in the corpus: {seen[name]}"
    for name in PRESENT:
        assert seen[name] > FRAMES * 0.003, f"{name} is hardly in the corpus: {seen[name]}"


@pytest.fixture(scope="module")
def tc_harness() -> Iterator[Harness]:
    with Harness(Hook.TC_RX) as harness:
        yield harness


@settings(
    max_examples=1500,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(frame=frame_strategy())
def test_any_frame_is_counted_as_the_reference_says(tc_harness: Harness, frame: bytes) -> None:
    verdict = Reference("rx").parse(frame)
    if verdict.fragment == "later" or refused_by_the_kernel(frame, Hook.TC_RX):
        return  # the tests above have those

    tc_harness.run(frame)

    try:
        _compare(tc_harness, Hook.TC_RX, [frame], [verdict])
    finally:
        tc_harness.forget()


def _batches(stream: Iterator[bytes]) -> Iterator[list[bytes]]:
    while batch := list(islice(stream, BATCH)):
        yield batch


def _compare(harness: Harness, hook: Hook, batch: list[bytes], verdicts: list[Verdict]) -> None:
    expected = _expected_flows(batch, verdicts)
    counted = _counted_flows(harness, DIRECTIONS[hook])
    if counted != expected:
        pytest.fail(_difference(expected, counted, batch, verdicts))
    assert _counted_services(harness) == _expected_services(batch, verdicts)


def _expected_flows(batch: list[bytes], verdicts: list[Verdict]) -> Counted:
    flows: Counted = {}
    for frame, verdict in zip(batch, verdicts, strict=True):
        if verdict.key is not None:
            packets, size, flags = flows.get(verdict.key, (0, 0, 0))
            flows[verdict.key] = (packets + 1, size + len(frame), flags | verdict.tcp_flags)
    return flows


def _counted_flows(harness: Harness, direction: str) -> Counted:
    flows = harness.flows()
    counted: Counted = {}
    for key, value in zip(flows.keys, flows.values, strict=True):
        version = 6 if key["flags"] & FlowFlag.IPV6 else 4
        size = 16 if version == 6 else 4
        assert not key["local_addr"][size:].any()
        has_ports = bool(key["flags"] & FlowFlag.PORTS)
        flow = FlowKey(
            version,
            int(key["protocol"]),
            key["local_addr"][:size].tobytes(),
            int(key["local_port_be"].byteswap()) if has_ports else None,
            key["remote_addr"][:size].tobytes(),
            int(key["remote_port_be"].byteswap()) if has_ports else None,
        )
        assert flow not in counted, "one flow, two rows"
        flags = sum(1 << bit for bit, on in enumerate(value["tcp_flags"]) if on)
        other = "tx" if direction == "rx" else "rx"
        assert value[f"{other}_packets"] == 0
        counted[flow] = (
            int(value[f"{direction}_packets"]),
            int(value[f"{direction}_bytes"]),
            flags,
        )
    return counted


def _expected_services(batch: list[bytes], verdicts: list[Verdict]) -> Counter[tuple[int, ...]]:
    """Packets and bytes by what a packet turned out to be; which port is the flows' own test."""
    counted: Counter[tuple[int, ...]] = Counter()
    for frame, verdict in zip(batch, verdicts, strict=True):
        if verdict.key is not None:
            kind = ServiceKind.PROTOCOL if verdict.key.local_port is None else ServiceKind.PORT
            what = (kind, verdict.key.version, verdict.key.protocol, 0)
        elif verdict.kind == "broken":
            what = (ServiceKind.BROKEN, verdict.version or 0, 0, 0)
        else:
            what = (ServiceKind.ETHERTYPE, 0, 0, verdict.ethertype or 0)
        counted[(*what, 0)] += 1
        counted[(*what, 1)] += len(frame)
    return counted


def _counted_services(harness: Harness) -> Counter[tuple[int, ...]]:
    services = harness.services()
    counted: Counter[tuple[int, ...]] = Counter()
    for key, value in zip(services.keys, services.values, strict=True):
        number = 0 if key["kind"] == ServiceKind.PORT else int(key["number"])
        what = (int(key["kind"]), int(key["ip_version"]), int(key["protocol"]), number)
        counted[(*what, 0)] += int(value["rx_packets"] + value["tx_packets"])
        counted[(*what, 1)] += int(value["rx_bytes"] + value["tx_bytes"])
    return +counted


def _difference(
    expected: Counted, counted: Counted, batch: list[bytes], verdicts: list[Verdict]
) -> str:
    missing = {key: value for key, value in expected.items() if counted.get(key) != value}
    surplus = {key: value for key, value in counted.items() if expected.get(key) != value}
    frame = next(
        (f"{v}\n{f.hex()}" for f, v in zip(batch, verdicts, strict=True) if v.key in missing),
        "no frame of the batch should have been counted so",
    )
    return f"expected {missing}\ncounted {surplus}\nfirst such frame: {frame}"
