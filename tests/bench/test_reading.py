# SPDX-License-Identifier: MIT
"""Reading 100,000 flows: the command as a whole, and the reader beside bpftool."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable

import numpy as np
import pytest

from tests.bench.report import Row, publish
from tests.bench.rounds import alternate
from tests.kernel.program import Program, attached
from tests.lab.lab import Lab
from trafficmon.layout import FLOW, FLOW_KEY, FlowFlag
from trafficmon.libbpf.map import Map
from trafficmon.reader.flows import read_flows

pytestmark = pytest.mark.bench

FLOWS = 100_000
ROUNDS = 9
COMMANDS = {
    "--version": ("--version",),
    "top flows -n 20 --json": ("top", "flows", "-n", "20", "--json"),
}


def fill(flows: Map) -> None:
    """FLOWS different ones, of made-up addresses and counters."""
    generator = np.random.default_rng(1)
    keys, values = np.zeros(FLOWS, FLOW_KEY), np.zeros(FLOWS, FLOW)
    keys["local_addr"][:, :4] = (10, 0, 0, 1)
    keys["remote_addr"][:, :4] = generator.integers(1, 255, (FLOWS, 4))
    keys["remote_port_be"] = np.arange(FLOWS) % 65521
    keys["protocol"] = 6
    keys["flags"] = FlowFlag.IPV4 | FlowFlag.PORTS
    for name in ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes"):
        values[name] = generator.integers(1, 1 << 40, FLOWS)
    flows.update_many(keys, values)


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


@pytest.mark.timeout(300)
def test_reading_many_flows() -> None:
    """`top flows` takes no more than twice an empty command and 60 ms."""
    with Lab() as lab, attached(lab.server, lab.server_if) as program:
        path = str(program.pin_dir / "maps" / "flows")
        with Map.from_pin(path) as flows:
            fill(flows)
        _compare_readers(program)
        shown = program.rows("flows")

        def run(name: str) -> float:
            return seconds(lambda: program.execute(*COMMANDS[name]))

        measured = alternate(tuple(COMMANDS), ROUNDS, run)
    medians = {name: statistics.median(times) for name, times in measured.items()}
    rows: list[Row] = [{"command": name, "ms": medians[name] * 1e3} for name in COMMANDS]
    publish("commands", f"wall time with {FLOWS:,} flows, medians of {ROUNDS} in turns", rows)

    assert len(shown) >= FLOWS * 0.99
    assert medians["top flows -n 20 --json"] <= 2 * medians["--version"] + 0.060


def _compare_readers(program: Program) -> None:
    maps = program.pin_dir / "maps"
    dump = ["bpftool", "map", "dump", "-j", "pinned", str(maps / "flows")]

    def ours() -> None:
        with (
            Map.from_pin(str(maps / "flows"), read_only=True) as table,
            Map.from_pin(str(maps / "flow_cache"), read_only=True) as cache,
        ):
            read_flows(table, cache)

    def bpftool() -> None:
        subprocess.run(dump, stdout=subprocess.DEVNULL, check=True)

    readers = {"read_flows": ours, "bpftool map dump -j": bpftool}
    measured = alternate(tuple(readers), 5, lambda name: seconds(readers[name]))
    rows: list[Row] = [
        {"reader": name, "ms": (median := statistics.median(times)) * 1e3, "rows/s": FLOWS / median}
        for name, times in measured.items()
    ]
    publish("reading", f"reading {FLOWS:,} flows, medians of 5 in turns", rows)
