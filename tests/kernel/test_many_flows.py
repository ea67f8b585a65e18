# SPDX-License-Identifier: MIT
"""All rows of a large table: they come as they are made, and are not kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.kernel.attached import program_in
from tests.kernel.program import Program
from tests.lab.namespace import Namespace
from trafficmon.layout import FLOW, FLOW_KEY, FlowFlag
from trafficmon.libbpf.map import Map

pytestmark = pytest.mark.kernel

FLOWS = 200_000
EVERY = ("-n", "10000000")
# ru_maxrss would be this process's where that is larger: it is kept over fork and exec.
DRIVER = """
import sys
from pathlib import Path
from trafficmon.cli.main import run
noted = Path(sys.argv.pop(1))
code = run()
noted.write_text(Path("/proc/self/status").read_text())
sys.exit(code)
"""


@dataclass
class Ended:
    """A command: its exit code, where its output is, and what it used."""

    code: int
    out: Path
    cpu_s: float
    most_bytes: int


@pytest.fixture(scope="module")
def full() -> Iterator[Program]:
    with Namespace("full") as namespace, program_in(namespace) as program:
        program.run("attach", "--iface", "lo", "--max-flows", str(2 * FLOWS))
        with Map.from_pin(str(program.pin_dir / "maps" / "flows")) as flows:
            fill(flows)
        yield program


def fill(flows: Map) -> None:
    keys, values = np.zeros(FLOWS, FLOW_KEY), np.zeros(FLOWS, FLOW)
    number = np.arange(FLOWS, dtype=np.uint32)
    keys["local_addr"][:, :4] = (10, 0, 0, 1)
    keys["remote_addr"][:, :4] = number.byteswap().view(np.uint8).reshape(-1, 4)
    keys["remote_port_be"] = (number % 50_000).astype(np.uint16).byteswap()
    keys["protocol"], keys["flags"] = 17, FlowFlag.IPV4 | FlowFlag.PORTS
    values["rx_packets"], values["rx_bytes"] = 1, number + 100
    flows.update_many(keys, values)


def run(program: Program, out: Path, *arguments: str) -> Ended:
    environment = {**os.environ, "TRAFFICMON_PIN_DIR": str(program.pin_dir)}
    noted = out.with_suffix(".status")
    command = [sys.executable, "-c", DRIVER, str(noted), *arguments]
    with out.open("wb") as stream, program.namespace.inside():
        process = subprocess.Popen(command, env=environment, stdout=stream)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    (most,) = (line for line in noted.read_text().splitlines() if line.startswith("VmHWM:"))
    cpu_s = used.ru_utime + used.ru_stime
    return Ended(process.returncode, out, cpu_s, int(most.split()[1]) * 1024)


@pytest.mark.long
def test_all_rows_take_little_more_memory_than_the_first(full: Program, tmp_path: Path) -> None:
    few = run(full, tmp_path / "few", "top", "flows", "--json", "-n", "20")
    for form in ("--json", "--csv"):
        every = run(full, tmp_path / "every", "top", "flows", form, *EVERY)
        assert (few.code, every.code) == (0, 0)
        assert every.most_bytes - few.most_bytes < 30 << 20
        lines = every.out.read_text().splitlines()
        assert len(lines) >= FLOWS
        assert (every.cpu_s - few.cpu_s) / FLOWS < 100e-6, "a row took a quarter of a millisecond"


def test_rows_are_filtered_and_sorted(full: Program, tmp_path: Path) -> None:
    query = ("--filter", "port 77 and net 10.0.0.0/8", "--sort", "-rx_bytes")
    ended = run(full, tmp_path / "out", "top", "flows", "--json", *EVERY, *query)
    rows = json.loads(ended.out.read_text())
    numbers = [number for number in range(FLOWS) if number % 50_000 == 77]
    assert [row["rx_bytes"] for row in rows] == [number + 100 for number in numbers]
    assert [row["remote_port"] for row in rows] == [77] * len(numbers)


@pytest.mark.parametrize("form", [("--json",), ("--csv",), ()])
def test_who_has_seen_enough_ends_it_quietly(full: Program, form: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "trafficmon", "top", "flows", *EVERY, *form]
    environment = {**os.environ, "TRAFFICMON_PIN_DIR": str(full.pin_dir)}
    with (
        full.namespace.inside(),
        subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process,
    ):
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0
