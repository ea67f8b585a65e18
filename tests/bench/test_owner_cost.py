# SPDX-License-Identifier: MIT
"""What the layers cost that know who: by run, and of a stream's and a flood's throughput.

Both ends are in the watched cgroup: each packet passes its programs twice.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.bench.report import Row, publish
from tests.bench.rounds import alternate
from tests.kernel.program import attached
from tests.lab import processes
from tests.lab.cgroup import own_cgroup
from tests.lab.lab import Lab
from trafficmon.libbpf.info import run_statistics

pytestmark = pytest.mark.bench

ROUNDS = 7
SECONDS = 3
MOST_LOSS = 0.05
_KINDS = {"TCP": (), "UDP, 16 bytes": ("-u", "-b", "0", "-l", "16")}


class Pair:
    """iperf3 at both ends of a lab, in one cgroup."""

    def __init__(self, lab: Lab, cgroup: Path) -> None:
        self.lab, self.cgroup = lab, cgroup

    def inside(self, *command: str) -> list[str]:
        """A command that begins by moving itself."""
        script = f'echo $$ > {self.cgroup}/cgroup.procs; exec "$@"'
        return ["sh", "-c", script, "sh", *command]

    def run(self, kind: str) -> dict[str, float]:
        """One run of iperf3: bit/s received, or packets sent a second."""
        address = self.lab.server_end.address(4)
        command = ("iperf3", "-c", address, "-t", str(SECONDS), "-J", *_KINDS[kind])
        end = json.loads(self.lab.client.run(self.inside(*command)).stdout)["end"]
        if kind == "TCP":
            return {"Gbit/s": end["sum_received"]["bits_per_second"] / 1e9}
        return {"kpackets/s": end["sum"]["packets"] / end["sum"]["seconds"] / 1e3}

    def speed(self, kind: str, way: str) -> float:
        """The same with ``way`` attached."""
        with ExitStack() as stack:
            if way == "all layers":
                options = ("--cgroup", str(self.cgroup))
                there = (self.lab.server, self.lab.server_if)
                stack.enter_context(attached(*there, options=options))
            return next(iter(self.run(kind).values()))


@contextmanager
def pair() -> Iterator[Pair]:
    with own_cgroup("bench") as cgroup, Lab(offloads=True) as lab:
        made = Pair(lab, cgroup)
        server = lab.server.popen(made.inside("iperf3", "-s", "--forceflush"))
        try:
            processes.read_until(server, server.stdout, "listening")
            yield made
        finally:
            lab.server.end(server)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", list(_KINDS))
def test_throughput_with_all_layers(kind: str) -> None:
    """At most 5 % less than with nothing attached: medians of 7 runs in turns."""
    with pair() as both:
        both.speed(kind, "nothing")  # the first run is slower whatever is attached
        ways = ("nothing", "all layers")
        measured = alternate(ways, ROUNDS, lambda way: both.speed(kind, way))
    medians = {way: statistics.median(runs) for way, runs in measured.items()}
    unit = "Gbit/s" if kind == "TCP" else "kpackets/s"
    rows: list[Row] = [
        {
            "attached": way,
            unit: medians[way],
            "lowest": min(runs),
            "highest": max(runs),
            "of nothing": medians[way] / medians["nothing"],
        }
        for way, runs in measured.items()
    ]
    publish(
        f"owners-{kind.partition(',')[0].lower()}", f"iperf3 {kind}, {SECONDS} s, medians", rows
    )
    assert medians["all layers"] > medians["nothing"] * (1 - MOST_LOSS)


@pytest.mark.parametrize("kind", list(_KINDS))
def test_cost_by_run(kind: str) -> None:
    """By the kernel's own statistics, which themselves take some 20 ns of each run."""
    with pair() as both:
        there = (both.lab.server, both.lab.server_if)
        with (
            attached(*there, options=("--cgroup", str(both.cgroup))) as program,
            run_statistics(),
        ):
            both.run(kind)
            status = program.status()
    hooks = [*status["interfaces"][0]["layers"], *status["layers"]]
    rows: list[Row] = [
        {"hook": one["hook"], "runs": one["run_count"], "ns a run": one["ns_per_run"]}
        for one in hooks
        if one["run_count"]
    ]
    publish(f"owner-hooks-{kind.partition(',')[0].lower()}", f"iperf3 {kind}", rows)
    assert {"tc_rx", "tc_tx", "cgroup_rx", "cgroup_tx"} <= {row["hook"] for row in rows}
