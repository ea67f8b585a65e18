# SPDX-License-Identifier: MIT
"""`make test-kernels`: the kernel tests in virtual machines, and a table of how they went."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
import xml.etree.ElementTree as ET
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.cgroup import MAY_WATCH_ROOT
from tests.vm import foreign, machine, matrix
from tests.vm.fetch import fetch

_ROOT = Path(__file__).resolve().parents[2]
_LOGS = _ROOT / "build" / "vm"
_BEGIN, _END = "RESULTS BEGIN", "RESULTS END"
_AT_ONCE = max(2, (os.cpu_count() or 2) - 1)  # each takes one CPU: see machine.py


@dataclass
class Outcome:
    """Of one kernel. By test: passed, failed, or why it was skipped."""

    release: str
    seconds: float
    tests: dict[str, str] = field(default_factory=dict)
    broken: str = ""

    def count(self, what: str) -> int:
        """Tests that passed or failed; of "skipped" all others."""
        if what == "skipped":
            return sum(said not in ("passed", "failed") for said in self.tests.values())
        return sum(said == what for said in self.tests.values())


def main() -> int:
    """0 when all is well on all kernels."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "kernels", nargs="*", help="such as 6.1 or 6.1:arm64 or everyday; default: all"
    )
    parser.add_argument("--python", default=str(_ROOT / ".venv-vm" / "bin" / "python"))
    parser.add_argument("--files", nargs="*", help="default: those of matrix.py")
    parser.add_argument("--seconds", type=float, help="per kernel")
    options = parser.parse_args()
    selected = list(options.kernels or matrix.KERNELS)
    files, seconds = matrix.FILES, 5400.0
    if selected == ["everyday"]:
        selected, files, seconds = list(matrix.EVERYDAY), matrix.EVERYDAY_FILES, 2100.0
    options.files, options.seconds = options.files or files, options.seconds or seconds
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        outcomes = list(pool.map(lambda version: _boot(version, options), selected))
    for outcome in outcomes:
        _report(outcome)
    complaints = [line for outcome in outcomes for line in _complaints(outcome)]
    if not options.kernels:
        complaints += _never_run(outcomes)
    print("\n".join(complaints) or "all well")
    return 1 if complaints else 0


def _boot(version: str, options: argparse.Namespace) -> Outcome:
    version, _, architecture = version.partition(":")
    kernel = fetch("" if version == "newest" else version, architecture or "amd64")
    checkout, python, hardware = str(_ROOT), options.python, machine.pc()
    if architecture:
        system = foreign.prepare(foreign.ARM64)
        checkout, python, hardware = system.checkout, system.python, machine.arm64(system.root)
    files = shlex.join(f"tests/kernel/{name}" for name in options.files)
    command = (
        f"export PATH=$PATH:/usr/sbin:/sbin PYTHONDONTWRITEBYTECODE=1 {MAY_WATCH_ROOT}=1; "
        f"cd {checkout}; "
        "ulimit -n 65536; echo 1 > /proc/sys/vm/overcommit_memory; "
        "mkdir -p /run/netns; ip link set lo up; "
        f"{python} -m pytest -q -p no:cacheprovider --timeout 300 --basetemp /tmp/pytest "
        f"--durations=40 --tb=short --color=no --junitxml=/tmp/results.xml {files}; status=$?; "
        f"echo; echo {_BEGIN}; cat /tmp/results.xml; echo; echo {_END}; exit $status"
    )
    ran = machine.run(kernel, command, timeout_s=options.seconds, hardware=hardware, shown=checkout)
    _LOGS.mkdir(parents=True, exist_ok=True)
    (_LOGS / f"{kernel.name}.log").write_text(ran.output)
    outcome = Outcome(kernel.name, ran.seconds)
    _, _, rest = ran.output.partition(f"\n{_BEGIN}\n")
    text, found, _ = rest.partition(f"\n{_END}")
    if not found or "<" not in text:
        outcome.broken = "no results: it crashed, took too long, or pytest did not begin"
        return outcome
    outcome.tests = _results(text[text.index("<") :])
    if not outcome.count("passed"):
        outcome.broken = "no test passed"
    elif ran.status and not outcome.count("failed"):
        outcome.broken = f"pytest ended with status {ran.status}, and reported no failure"
    return outcome


def _results(text: str) -> dict[str, str]:
    """Our own tests' report; no one else writes to that console."""
    said = {}
    for case in ET.fromstring(text).iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        skipped = case.find("skipped")
        failed = case.find("failure") is not None or case.find("error") is not None
        if failed:
            said[name] = "failed"
        else:
            said[name] = "passed" if skipped is None else str(skipped.get("message"))
    return said


def _report(outcome: Outcome) -> None:
    counts = ", ".join(f"{outcome.count(w)} {w}" for w in ("passed", "failed", "skipped"))
    print(f"{outcome.release:<32} {counts}  {outcome.seconds:.0f} s {outcome.broken}")
    reasons = sorted(set(outcome.tests.values()) - {"passed", "failed"})
    for reason in reasons:
        print(f"    skipped: {reason}")


def _complaints(outcome: Outcome) -> list[str]:
    if outcome.broken:
        return [f"{outcome.release}: {outcome.broken} (see {_LOGS / outcome.release}.log)"]
    version = tuple(map(int, re.findall(r"\d+", outcome.release)[:2]))
    lines = [
        f"{outcome.release}: {n} failed" for n, said in outcome.tests.items() if said == "failed"
    ]
    for expected in matrix.EXPECTED:
        arm64 = expected.since_arm64 if outcome.release.endswith("arm64") else None
        if version < (arm64 or expected.since):
            continue
        lines += [
            f"{outcome.release}: {name} was skipped, and must not be: {said}"
            for name, said in outcome.tests.items()
            if expected.test in name and said not in ("passed", "failed")
        ]
    return lines


def _never_run(outcomes: list[Outcome]) -> list[str]:
    ran: defaultdict[str, bool] = defaultdict(bool)
    for outcome in outcomes:
        for name, said in outcome.tests.items():
            ran[name] |= said in ("passed", "failed")
    return [f"{name} ran on no kernel" for name, has_run in ran.items() if not has_run]


if __name__ == "__main__":
    sys.exit(main())
