# SPDX-License-Identifier: MIT
"""Events: how many a second are read, and what that takes of a CPU."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.bench.report import Row, publish
from tests.kernel.program import Program, attached
from tests.lab.lab import Lab
from tests.lab.pktgen import PacketGenerator

pytestmark = pytest.mark.bench

SECONDS = 5.0
FLOWS = 1_000_000
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """In user and kernel mode, so far: proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


def measured(program: Program, lab: Lab, generator: PacketGenerator, *options: str) -> Row:
    """While more new flows come than are read."""
    command = ("events", "--type", "packet", "--limit", "0", *options)
    with program.running(*command, until="listening") as running:
        before, began = cpu_seconds(running.process.pid), time.monotonic()
        generator.send(lab.client_end, lab.server_end, flows=FLOWS, seconds=SECONDS)
        took_s = time.monotonic() - began
        cpu_s = cpu_seconds(running.process.pid) - before
        running.interrupt()
        read = len(running.lines())
    return {
        "as": "JSON" if "--json" in options else "text",
        "events read": read,
        "a second": read / took_s,
        "CPU s per 100,000": cpu_s / read * 100_000,
    }


@pytest.mark.timeout(120)
def test_events_a_second() -> None:
    with (
        Lab() as lab,
        PacketGenerator() as generator,
        attached(lab.server, lab.server_if, options=("--layer", "tc")) as program,
    ):
        rows = [measured(program, lab, generator, *way) for way in (("--json",), ())]
        (account,) = (one for one in program.status()["events"] if one["kind"] == "flow")
    publish("events", "events read during a flood of new flows", rows)
    assert account["offered"] == account["delivered"] + account["limited"] + account["lost"]
    assert sum(int(row["events read"]) for row in rows) == account["delivered"]
