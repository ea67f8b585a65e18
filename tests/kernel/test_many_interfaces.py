# SPDX-License-Identifier: MIT
"""Many interfaces in one attach: it costs what the kernel's verifier does, and hardly more."""

from __future__ import annotations

import json
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from tests.kernel.attached import program_in
from tests.kernel.program import Program, within
from tests.lab.namespace import Namespace
from trafficmon.attachment.programs import tc_programs
from trafficmon.attachment.store import Store
from trafficmon.host.interfaces import all_interfaces
from trafficmon.layout import Mode
from trafficmon.pins import PinDirectory

pytestmark = pytest.mark.kernel

FEW, MANY = 4, 24


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


def cpu_seconds(who: int, work: Callable[[], object]) -> float:
    """Of the processor."""
    before = _used(who)
    work()
    return _used(who) - before


def _used(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def seconds_to_load(namespace: Namespace, program: Program, times: int) -> float:
    """What the two programs of an interface take, loaded and nothing else."""
    with namespace.inside(), Store.open(PinDirectory(program.pin_dir)) as store:
        interface = all_interfaces()["tmbr0"]

        def load() -> None:
            for _ in range(times):
                kinds = ("tc_rx", "tc_tx")
                with tc_programs(store, interface, 0, kinds, behind_generic_xdp=False):
                    pass

        return cpu_seconds(resource.RUSAGE_SELF, load) / times


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_each_further_interface_costs_little_more_than_loading_its_programs(
    host: tuple[Namespace, Program],
) -> None:
    """An attach of 300 took 50 s, half of it for what was done for each of all the others again."""
    namespace, program = host

    def attach(count: int) -> float:
        run = lambda: program.run("attach", *options(count))  # noqa: E731
        return cpu_seconds(resource.RUSAGE_CHILDREN, run)

    few = attach(FEW)
    program.run("detach")
    many = attach(MANY)
    load = seconds_to_load(namespace, program, 5)
    replace = cpu_seconds(resource.RUSAGE_CHILDREN, lambda: program.run("attach", "--replace"))
    assert (many - few) / (MANY - FEW) <= 1.6 * load
    assert (replace - few) / (MANY - FEW) <= 1.6 * load


def test_all_are_attached_side_by_side_each_in_its_slot(host: tuple[Namespace, Program]) -> None:
    _, program = host
    done = program.run("attach", *options(MANY))
    told = [line.partition(":")[0] for line in done.stdout.splitlines() if "xdp off, tc" in line]
    assert told == names(MANY), "in the order in which they were named"
    with Store.open(PinDirectory(program.pin_dir)) as store:
        records = store.interfaces()
    assert sorted(records) == list(range(MANY))
    assert len({int(record["number"]) for record in records.values()}) == MANY
    assert all(record["tc_mode"] != Mode.OFF for record in records.values())
    again = program.run("attach", *options(MANY), "--replace").stdout
    assert again.count("taken over, counters go on") == MANY
    assert (
        json.loads(program.run("status", "--json").stdout)["interfaces"][-1]["state"] == "attached"
    )


def test_ctrl_c_in_the_midst_leaves_nothing(host: tuple[Namespace, Program]) -> None:
    namespace, program = host
    environment = ["env", f"TRAFFICMON_PIN_DIR={program.pin_dir}"]
    command = ["-m", "trafficmon", *within(("attach", *options(MANY)))]
    process = namespace.popen([*environment, sys.executable, *command])
    try:
        wait_until(lambda: len(list((program.pin_dir / "progs").glob("*"))) > 2)
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
