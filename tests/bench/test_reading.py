# SPDX-License-Identifier: MIT
"""Reading 100,000 flows: the command as a whole, and the reader beside bpftool."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
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
_MILLION = 1_000_000
_WAYS = {
    "20": ("--json", "-n", "20"),
    "all, --json": ("--json", "-n", "10000000"),
    "all, --csv": ("--csv", "-n", "10000000"),
    "all, as text": ("-n", "10000000"),
}
COMMANDS = {
    "--version": ("--version",),
    "top flows -n 20 --json": ("top", "flows", "-n", "20", "--json"),
}


def fill(flows: Map, seed: int = 1) -> None:
    """FLOWS different ones, of made-up addresses and counters."""
    generator = np.random.default_rng(seed)
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


@pytest.mark.timeout(600)
def test_all_rows_of_a_million_flows() -> None:
    """The first row within 2 s, 100,000 rows a second of CPU, and 50 MB more than for 20 rows."""
    with (
        Lab() as lab,
        attached(lab.server, lab.server_if, options=("--max-flows", "1300000")) as it,
    ):
        with Map.from_pin(str(it.pin_dir / "maps" / "flows")) as flows:
            for seed in range(_MILLION // FLOWS):
                fill(flows, seed)
        measured = {name: _stream(it, *options) for name, options in _WAYS.items()}
    rows: list[Row] = [{"rows": name, **figures} for name, figures in measured.items()]
    publish("all rows", f"top flows over {_MILLION:,} flows", rows)

    few, every = measured["20"], measured["all, --json"]
    assert every["first_row_s"] <= 2
    assert (every["cpu_s"] - few["cpu_s"]) / _MILLION <= 10e-6
    assert every["most_mb"] - few["most_mb"] <= 50


def _stream(program: Program, *options: str) -> dict[str, float]:
    """Of a command whose rows are read as they come."""
    environment = {**os.environ, "TRAFFICMON_PIN_DIR": str(program.pin_dir)}
    command = [sys.executable, "-m", "trafficmon", "top", "flows", *options]
    begun = time.perf_counter()
    with program.namespace.inside():
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.readline()
    first_row_s = time.perf_counter() - begun
    while process.stdout.read(1 << 20):
        pass
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    cpu_s = used.ru_utime + used.ru_stime
    return {"first_row_s": first_row_s, "cpu_s": cpu_s, "most_mb": used.ru_maxrss / 1024}


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
