# SPDX-License-Identifier: MIT
"""Many interfaces in one attach: it costs what the kernel's verifier does, and hardly more."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator

import pytest

from tests.kernel.attached import program_in
from tests.kernel.program import Program, within
from tests.lab.namespace import Namespace
from tests.waiting import wait_until
from trafficmon.attachment.store import Store
from trafficmon.layout import AttachMode
from trafficmon.pins import PinDirectory

pytestmark = pytest.mark.kernel

FEW, HALF, MANY = 4, 14, 24
MOST_CALLS = 2500  # of Python functions for an interface: libbpf has 700 messages for each
MOST_BYTES = 2 << 20  # out of whole maps: that of interfaces, and that of their names


@pytest.fixture
def host() -> Iterator[tuple[Namespace, Program]]:
    with Namespace("many") as namespace, program_in(namespace) as program:
        lines = [f"link add {name} type bridge" for name in names(MANY)]
        namespace.run(["ip", "-batch", "-"], stdin="\n".join(lines) + "\n")
        yield namespace, program


def names(count: int) -> list[str]:
    return [f"tmbr{number}" for number in range(count)]


def options(count: int) -> list[str]:
    return [part for name in names(count) for part in ("--iface", name)]


COUNTER = """
import sys, threading
from trafficmon.cli.main import run
from trafficmon.libbpf.rawmap import RawMap

calls = read_bytes = 0
every = RawMap.raw_entries

def count(frame, event, argument):
    global calls
    calls += event == "call"

def counted(self, first=None):
    global read_bytes
    entries = every(self, first)
    read_bytes += len(entries.keys) + len(entries.values)
    return entries

RawMap.raw_entries = counted
threading.setprofile(count)
sys.setprofile(count)
code = run()
sys.setprofile(None)
print(calls, read_bytes)
sys.exit(code)
"""


def work_of(namespace: Namespace, program: Program, *arguments: str) -> tuple[int, int]:
    """Calls of Python functions, and bytes read out of whole maps, of one command."""
    environment = ["env", f"TRAFFICMON_PIN_DIR={program.pin_dir}"]
    command = [sys.executable, "-c", COUNTER, *within(arguments)]
    calls, read_bytes = namespace.run([*environment, *command], timeout=150).stdout.split()[-2:]
    return int(calls), int(read_bytes)


def test_what_each_further_interface_costs_beside_its_programs_stays_the_same(
    host: tuple[Namespace, Program],
) -> None:
    """An attach of 300 took 50 s, half of it for what was done for each of all the others again.

    Counted and not timed: the verifier takes ten times as long as all the rest, and hid it.
    """
    namespace, program = host
    done = []
    for count in (FEW, HALF, MANY):
        done.append(work_of(namespace, program, "attach", *options(count)))
        if count < MANY:
            program.run("detach")
    replaced = work_of(namespace, program, "attach", "--replace")
    (few_calls, _), (half_calls, half_bytes), (many_calls, many_bytes) = done
    early = (half_calls - few_calls) / (HALF - FEW)
    late = (many_calls - half_calls) / (MANY - HALF)
    assert late <= 1.2 * early
    assert late <= MOST_CALLS
    assert (replaced[0] - few_calls) / (MANY - FEW) <= MOST_CALLS
    assert (many_bytes - half_bytes) / (MANY - HALF) <= MOST_BYTES


def test_all_are_attached_side_by_side_each_in_its_slot(host: tuple[Namespace, Program]) -> None:
    _, program = host
    done = program.run("attach", *options(MANY))
    reported = [
        line.partition(":")[0] for line in done.stdout.splitlines() if "xdp off, tc" in line
    ]
    assert reported == names(MANY), "in the order in which they were named"
    with Store.open(PinDirectory(program.pin_dir)) as store:
        records = store.interfaces()
    assert sorted(records) == list(range(MANY))
    assert len({int(record["number"]) for record in records.values()}) == MANY
    assert all(record["tc_mode"] != AttachMode.OFF for record in records.values())
    again = program.run("attach", *options(MANY), "--replace").stdout
    assert again.count("taken over, counters continue") == MANY
    assert (
        json.loads(program.run("status", "--json").stdout)["interfaces"][-1]["state"] == "attached"
    )


def test_ctrl_c_in_the_midst_leaves_nothing(host: tuple[Namespace, Program]) -> None:
    namespace, program = host
    environment = ["env", f"TRAFFICMON_PIN_DIR={program.pin_dir}"]
    command = ["-m", "trafficmon", *within(("attach", *options(MANY)))]
    process = namespace.popen([*environment, sys.executable, *command])
    try:
        wait_until(lambda: len(list((program.pin_dir / "progs").glob("*"))) > 2, 60)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    finally:
        namespace.end(process)
    assert not program.pin_dir.exists()


def test_what_fails_at_one_of_many_takes_all_back(host: tuple[Namespace, Program]) -> None:
    namespace, program = host
    namespace.run(["tc", "qdisc", "add", "dev", "tmbr9", "ingress"])  # clsact has no room beside it
    failed = program.run("attach", "--tc", "clsact", *options(MANY), check=False)
    assert failed.returncode == 1
    assert "tmbr9 has an ingress qdisc" in failed.stderr
    assert not program.pin_dir.exists()
    assert "clsact" not in namespace.run(["tc", "qdisc", "show"]).stdout
