# SPDX-License-Identifier: MIT
"""What the layers cost that know who: of a stream's and a flood's throughput, and by run.

The watched host is one end, as it is outside of labs; its packets pass the other end on the same
CPU, which is why a flood is reported with both ends watched as well.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.bench.report import Row, publish
from tests.bench.rounds import alternate, two_cpus
from tests.kernel.bpf_calls import run_statistics
from tests.kernel.program import attached
from tests.lab import processes
from tests.lab.cgroup import entering, own_cgroup
from tests.lab.lab import Lab

pytestmark = pytest.mark.bench

ROUNDS = 7
SECONDS = 3
BURSTS = 5
PACKETS = 100_000
MOST_LOSS = 0.05
MOST_FLOOD_LOSS = 0.2
_PORT = "7000"


class Pair:
    """A lab, and a cgroup for who is watched in it."""

    def __init__(self, lab: Lab, cgroup: Path, flood: Path) -> None:
        self.lab, self.cgroup, self.flood = lab, cgroup, str(flood)

    def flooded(self) -> AbstractContextManager[None]:
        """A watched server that takes the flood."""
        receive = (self.flood, "receive", _PORT)
        return self.serving("taskset", "-c", two_cpus()[1], *receive, until="ready")

    @contextmanager
    def serving(self, *command: str, until: str) -> Iterator[None]:
        """A watched server."""
        server = self.lab.server.popen(entering(self.cgroup, command))
        try:
            processes.read_until(server, server.stdout, until)
            yield
        finally:
            self.lab.server.end(server)

    def stream(self) -> float:
        """Gbit/s of TCP to the server."""
        address = self.lab.server_end.address(4)
        ran = self.lab.client.run(["iperf3", "-c", address, "-t", str(SECONDS), "-J"])
        received = json.loads(ran.stdout)["end"]["sum_received"]
        return float(received["bits_per_second"]) / 1e9

    def packets_per_us(self, *, watched: bool) -> float:
        """Of datagrams of 16 bytes, each sent and received on a CPU of its own.

        Each wakes the receiver, which takes 4 us or 7: so a run is the median of several bursts,
        after one that warms the caches.
        """
        address = self.lab.server_end.address(4)
        command = ["taskset", "-c", two_cpus()[0], self.flood, "send", address, _PORT, str(PACKETS)]
        flood = entering(self.cgroup, command) if watched else command
        bursts = [float(self.lab.client.run(flood).stdout) for _ in range(1 + BURSTS)]
        return 1000 / statistics.median(bursts[1:])

    def measured(self, work: Callable[[], float]) -> dict[str, list[float]]:
        """``work`` with nothing and with all layers attached, in turns."""

        def one(way: str) -> float:
            with ExitStack() as stack:
                if way == "all layers":
                    there = (self.lab.server, self.lab.server_if)
                    options = ("--cgroup", str(self.cgroup))
                    stack.enter_context(attached(*there, options=options))
                return work()

        one("nothing")  # the first run is slower whatever is attached
        return alternate(("nothing", "all layers"), ROUNDS, one)


@pytest.fixture
def pair(flood_program: Path) -> Iterator[Pair]:
    with own_cgroup("bench") as cgroup, Lab(offloads=True) as lab:
        yield Pair(lab, cgroup, flood_program)


def report_ratio(name: str, title: str, unit: str, measured: dict[str, list[float]]) -> float:
    """Publish, and the median of the rounds' ratios, as machines are faster at times."""
    medians = {way: statistics.median(runs) for way, runs in measured.items()}
    rows: list[Row] = [
        {
            "attached": way,
            unit: medians[way],
            "lowest": min(runs),
            "highest": max(runs),
            "of nothing": _median_ratio(runs, measured["nothing"]),
        }
        for way, runs in measured.items()
    ]
    publish(name, f"{title}, medians of {ROUNDS}", rows)
    return _median_ratio(measured["all layers"], measured["nothing"])


def _median_ratio(runs: list[float], base: list[float]) -> float:
    return statistics.median(one / other for one, other in zip(runs, base, strict=True))


@pytest.mark.timeout(300)
def test_a_stream(pair: Pair) -> None:
    """TCP loses at most 5 %."""
    with pair.serving("iperf3", "-s", "--forceflush", until="listening"):
        measured = pair.measured(pair.stream)
    assert report_ratio("owners-tcp", "iperf3 TCP", "Gbit/s", measured) > 1 - MOST_LOSS


@pytest.mark.timeout(600)
@pytest.mark.parametrize("ends", ["one end", "both ends"])
def test_a_flood(pair: Pair, ends: str) -> None:
    """Small datagrams, one end being watched: no more than twice what test_flood.py has found.

    A sender's process is up to 10 % slower than the next one, whatever is attached: the limit is
    that much wider.
    """
    with pair.flooded():
        measured = pair.measured(lambda: pair.packets_per_us(watched=ends == "both ends"))
    kept = report_ratio(
        f"owners-udp-{ends[:4].strip()}", f"UDP flood, {ends}", "packets/us", measured
    )
    assert kept > 1 - MOST_FLOOD_LOSS or ends == "both ends"


def test_cost_by_run(pair: Pair) -> None:
    """By the kernel's own statistics, which themselves take some 60 ns of each run."""
    rows: list[Row] = []
    with (
        attached(
            pair.lab.server, pair.lab.server_if, options=("--cgroup", str(pair.cgroup))
        ) as program,
        run_statistics(),
    ):
        with pair.flooded():
            pair.packets_per_us(watched=True)
            rows += reported_runs("flood", program.status())
        with pair.serving("iperf3", "-s", "--forceflush", until="listening"):
            pair.stream()
            rows += reported_runs("flood and stream", program.status())
    publish("owner-hooks", "run time of all hooks", rows)
    assert {"tc_rx", "tc_tx", "cgroup_rx", "cgroup_tx"} <= {row["hook"] for row in rows}


def reported_runs(traffic: str, status: dict[str, Any]) -> list[Row]:
    """Of each hook that ran."""
    hooks = [*status["interfaces"][0]["layers"], *status["layers"]]
    return [
        {
            "traffic": traffic,
            "hook": one["hook"],
            "runs": one["run_count"],
            "ns a run": one["ns_per_run"],
        }
        for one in hooks
        if one["run_count"]
    ]
