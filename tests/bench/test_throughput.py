# SPDX-License-Identifier: MIT
"""TCP through a veth pair, with and without trafficmon on it."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.bench.report import Row, publish
from tests.bench.rounds import alternate
from tests.kernel.program import attached
from tests.lab.lab import Lab
from tests.lab.traffic import serving

pytestmark = pytest.mark.bench

ROUNDS = 7
SECONDS = 3
MOST_LOSS = 0.03


class Pipe:
    """A lab with an iperf3 server in it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def gbit_per_s(self, way: str) -> float:
        """One run, from client to server; ``way`` says what is attached to the server's veth."""
        options = {"attached": (), "native XDP": ("--xdp", "native")}
        with ExitStack() as stack:
            if way in options:
                there = (self.lab.server, self.lab.server_if)
                stack.enter_context(attached(*there, options=options[way]))
            address = self.lab.server_end.address(4)
            ran = self.lab.client.run(["iperf3", "-c", address, "-t", str(SECONDS), "-J"])
        received = json.loads(ran.stdout)["end"]["sum_received"]
        return float(received["bits_per_second"]) / 1e9


@contextmanager
def _pipe() -> Iterator[Pipe]:
    server = ["iperf3", "-s", "--forceflush"]
    with Lab(offloads=True) as lab, serving(lab.server_end, server, "listening"):
        yield Pipe(lab)


@pytest.mark.timeout(300)
def test_throughput_of_a_veth() -> None:
    """Plain `attach --iface VETH` costs no more than 3 %: medians of 7 runs in turns."""
    with _pipe() as pipe:
        pipe.gbit_per_s("nothing")  # the first run is slower whatever is attached
        measured = alternate(("nothing", "attached"), ROUNDS, pipe.gbit_per_s)
        measured |= alternate(("native XDP",), 3, pipe.gbit_per_s)
    medians = {way: statistics.median(runs) for way, runs in measured.items()}
    base = medians["nothing"]
    rows: list[Row] = [
        {
            "attached to the veth": way,
            "Gbit/s": medians[way],
            "lowest": min(runs),
            "highest": max(runs),
            "of nothing": medians[way] / base,
        }
        for way, runs in measured.items()
    ]
    publish("throughput", f"iperf3 TCP, {SECONDS} s a run, medians", rows)

    assert medians["attached"] > base * (1 - MOST_LOSS)
