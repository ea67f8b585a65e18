# SPDX-License-Identifier: MIT
"""Nanoseconds a packet by the kernel's own run statistics, on frames that cross a veth."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from functools import partial

import pytest

from tests.bench.contenders import HOOKS, NAMES, Contenders, attach
from tests.bench.cost import Cost, too_dear
from tests.bench.report import publish
from tests.bench.rounds import alternate, on_one_cpu
from tests.kernel.bpf_calls import run_statistics
from tests.lab.lab import Lab
from tests.lab.pktgen import PacketGenerator
from trafficmon.host.interfaces import all_interfaces
from trafficmon.libbpf.info import program_facts
from trafficmon.libbpf.object import Program

pytestmark = pytest.mark.bench

ROUNDS = 5
FLOWS = (1, 1_000, 60_000)
PACKETS = 330_000  # a measurement
FEWEST_RUNS = 300_000  # of them; a veth with XDP may lose some to a full ring
WARM_UP_PACKETS = 20_000  # or twice through all flows, if that is more


class Wire:
    """A lab, and a sender that takes flows in strict rotation."""

    def __init__(self, lab: Lab, generator: PacketGenerator) -> None:
        self.lab = lab
        self.generator = generator

    def send(self, flows: int, packets: int) -> None:
        """From client to server."""
        ends = self.lab.client_end, self.lab.server_end
        self.generator.send(*ends, flows=flows, packets=packets)

    def cost_of(self, contenders: Contenders, hook: str, flows: int, name: str) -> float:
        """Of one contender, loaded anew: tx is measured on the sender's side, rx on the other."""
        end = self.lab.client_end if hook == "tc_tx" else self.lab.server_end
        with end.namespace.inside():
            interface = all_interfaces()[end.interface]
            with (
                contenders.loaded(name, hook, interface) as program,
                attach(program, hook, interface),
            ):
                self.send(flows, max(WARM_UP_PACKETS, 2 * flows))
                return self._ns_a_run(program, flows)

    def _ns_a_run(self, program: Program, flows: int) -> float:
        with run_statistics():
            before = program_facts(program)
            self.send(flows, PACKETS)
            after = program_facts(program)
        runs = after.run_count - before.run_count
        assert runs >= FEWEST_RUNS
        return (after.run_time_ns - before.run_time_ns) / runs


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with Lab() as lab, PacketGenerator() as generator, on_one_cpu():
        yield Wire(lab, generator)


@pytest.mark.parametrize("hook", HOOKS)
def test_live_cost(wire: Wire, contenders: Contenders, hook: str) -> None:
    """However many flows take turns, ours does not cost more than 1.3 times what plain costs."""
    costs = []
    for flows in FLOWS:
        measured = alternate(NAMES, ROUNDS, partial(wire.cost_of, contenders, hook, flows))
        costs.append(Cost.of({"hook": hook, "flows": flows}, measured, statistics.median))
    title = f"ns a packet at {hook} on a live veth: 64 bytes, median of {ROUNDS} rounds"
    publish("live_cost", title, [cost.row() for cost in costs])

    assert not too_dear(costs)
