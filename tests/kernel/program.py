# SPDX-License-Identifier: MIT
"""The program as a user runs it, in a namespace of the lab, with a pin directory of its own."""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from tests.kernel import forked
from tests.lab import processes
from tests.lab.namespace import Namespace

_numbers = itertools.count()

PATIENCE_S = 150.0
"""For what takes a second here: an emulated processor takes a hundred times as long."""


@dataclass
class Running:
    """A command that is still running; its output is in the file ``out``."""

    process: processes.Process
    out: Path

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> str:
        """Ctrl-C, or another signal, and what it said in the end on standard error."""
        self.process.send_signal(number)
        return self.end()

    def end(self) -> str:
        """Wait for it, and what it said; LabError when it failed."""
        return processes.check(processes.finish(self.process, 60)).stderr

    def lines(self) -> list[str]:
        """Of standard output."""
        return self.out.read_text().splitlines()

    def records(self) -> list[dict[str, Any]]:
        """A JSON object a line."""
        return [json.loads(line) for line in self.lines()]


class Program:
    """`trafficmon` in ``namespace``; all commands share ``pin_dir``."""

    def __init__(self, namespace: Namespace, pin_dir: Path) -> None:
        self.namespace = namespace
        self.pin_dir = pin_dir

    def run(self, *arguments: str, check: bool = True) -> CompletedProcess[str]:
        """Run a command to its end, in a child of ours where that can be the same."""
        if type(self.namespace) is not Namespace:  # one with mounts of its own
            return self.execute(*arguments, check=check)
        environment = {"TRAFFICMON_PIN_DIR": str(self.pin_dir)}
        done = forked.run(self.namespace, within(arguments), environment)
        return processes.check(done) if check else done

    def execute(self, *arguments: str, check: bool = True) -> CompletedProcess[str]:
        """Start it as a user does, and run it to its end."""
        argv = ["env", f"TRAFFICMON_PIN_DIR={self.pin_dir}", sys.executable, "-m", "trafficmon"]
        return self.namespace.run([*argv, *within(arguments)], timeout=PATIENCE_S, check=check)

    @contextmanager
    def running(self, *arguments: str, until: str) -> Iterator[Running]:
        """A command that runs until it is interrupted; ``until`` it has said that."""
        with tempfile.TemporaryDirectory(prefix="tmrun-") as folder:
            out = Path(folder) / "out"
            command = [sys.executable, "-m", "trafficmon", *within(arguments)]
            environment = ["env", f"TRAFFICMON_PIN_DIR={self.pin_dir}"]
            shell = ["sh", "-c", 'exec "$@" > "$0"', str(out)]
            process = self.namespace.popen([*shell, *environment, *command])
            try:
                processes.read_until(process, process.stderr, until, timeout=PATIENCE_S)
                yield Running(process, out)
            finally:
                self.namespace.end(process)

    def rows(self, table: str, *arguments: str) -> list[dict[str, Any]]:
        """All rows of a table."""
        found = self.run("top", table, "--json", "-n", "1000000", *arguments)
        rows: list[dict[str, Any]] = json.loads(found.stdout)
        return rows

    def status(self) -> dict[str, Any]:
        """`status --json`, which ends with 1 when something is wrong."""
        done = self.run("status", "--json", check=False)
        if done.returncode != 1:
            processes.check(done)
        record: dict[str, Any] = json.loads(done.stdout)
        return record


def within(arguments: Sequence[str]) -> list[str]:
    """A command line that leaves the machine's root cgroup alone: no test watches that."""
    is_attach = bool(arguments) and arguments[0] == "attach"
    if not is_attach or any(one.startswith(("--cgroup", "--layer", "--help")) for one in arguments):
        return list(arguments)
    return [*arguments, "--layer", "xdp,tc"]


def free_pin_dir() -> Path:
    """The path of a pin directory that no one else uses; it is not there yet."""
    return Path(f"/sys/fs/bpf/tmtest-{os.getpid()}-{next(_numbers)}")


@contextmanager
def attached(
    namespace: Namespace, *interfaces: str, options: tuple[str, ...] = ()
) -> Iterator[Program]:
    """Attach to ``interfaces``; detach when leaving, and look that nothing is left."""
    pin_dir = free_pin_dir()
    program = Program(namespace, pin_dir)
    named = [part for name in interfaces for part in ("--iface", name)]
    try:
        program.run("attach", *named, *options)
        yield program
    finally:
        program.run("detach")
    assert not pin_dir.exists()
