# SPDX-License-Identifier: MIT
"""Nanoseconds a packet by BPF_PROG_TEST_RUN: one flow, all of it in the CPU's caches."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from tests.bench.contenders import HOOKS, NAMES, Contenders
from tests.bench.cost import Cost, too_dear
from tests.bench.report import publish
from tests.bench.rounds import alternate, on_one_cpu
from trafficmon.host.interfaces import ARPHRD_ETHER, Interface
from trafficmon.libbpf.object import test_run as run_program

pytestmark = pytest.mark.bench

ROUNDS = 9
PACKETS = 1_000_000  # a round
FRAME_BYTES = 64
NOWHERE = Interface("nowhere", 0, ARPHRD_ETHER, None, 0, 0)  # such runs need no interface
_ETHERNET = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
FRAMES = {
    "TCP/IPv4": _ETHERNET / IP(src="10.0.1.1", dst="10.0.1.2") / TCP(sport=40000, dport=443),
    "UDP/IPv6": _ETHERNET / IPv6(src="fd00::1", dst="fd00::2") / UDP(sport=40000, dport=443),
}


def test_packet_cost(contenders: Contenders) -> None:
    """At no hook does ours cost more than 1.3 times what the plain program costs."""
    with on_one_cpu():
        costs = [_measure(contenders, hook, kind) for hook in HOOKS for kind in FRAMES]
    title = f"ns a packet by prog-test-run: 1 flow, {FRAME_BYTES} bytes, best of {ROUNDS} rounds"
    publish("packet_cost", title, [cost.row() for cost in costs])

    assert not too_dear(costs)


def _measure(contenders: Contenders, hook: str, kind: str) -> Cost:
    frame = bytes(FRAMES[kind]).ljust(FRAME_BYTES, b"\0")
    with ExitStack() as stack:
        programs = {
            name: stack.enter_context(contenders.loaded(name, hook, NOWHERE)) for name in NAMES
        }
        measured = alternate(
            NAMES, ROUNDS, lambda name: run_program(programs[name], frame, PACKETS).duration_ns
        )
    return Cost.of({"hook": hook, "packet": kind}, measured, min)
