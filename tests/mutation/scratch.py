# SPDX-License-Identifier: MIT
"""A copy of the checkout in which one mutant after the other is put in, built and tried.

The checkout itself is never changed. Copies keep their times of change, so what was compiled in the
checkout counts as up to date in the copy, too.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import build_bpf
from tests.mutation.mutants import ROOT, Mutant

_COPIED = ("bpf", "docs", "vmlinux", "trafficmon", "tests", "tools")
_COPIED_FILES = (
    "build_bpf.py",
    "pyproject.toml",
    "Makefile",
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "LICENSE",
)
_INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)
_TRY_SECONDS = 600
_PYTEST_FAILED = 1


@dataclass(frozen=True)
class Ran:
    """One pytest run: its exit code, all that it said, and the result of each test by node id."""

    code: int
    said: str
    results: dict[str, str]


class Scratch:
    """The copy in ``place``."""

    def __init__(self, place: Path) -> None:
        self.root = place
        for name in _COPIED:
            shutil.copytree(ROOT / name, place / name, symlinks=True)
        for name in _COPIED_FILES:
            if (ROOT / name).exists():
                shutil.copy2(ROOT / name, place / name)

    @contextmanager
    def changed(self, mutant: Mutant) -> Iterator[None]:
        """With the mutant put in and built; BuildError or SyntaxError: it does not compile."""
        path = self.root / mutant.file
        held = {path: path.read_bytes()}
        if mutant.is_bpf:
            held |= {one: one.read_bytes() for one in self._objects_of(path)}
        try:
            mutated = path.read_text().replace(mutant.text, mutant.replacement)
            path.write_text(mutated)
            if mutant.is_bpf:
                self._compile(path)
            else:
                compile(mutated, mutant.file, "exec")
                self._forget_compiled(path)
            yield
        finally:
            for one, content in held.items():
                one.write_bytes(content)
            self._forget_compiled(path)

    def _sources_of(self, changed: Path) -> list[Path]:
        """The programs that include the file, or are it."""
        sources = sorted((self.root / "bpf").glob("*.bpf.c"))
        return [source for source in sources if changed in _included(source, self.root / "bpf")]

    def _objects_of(self, changed: Path) -> list[Path]:
        return [self._object(source) for source in self._sources_of(changed)]

    def _object(self, source: Path) -> Path:
        return self.root / "trafficmon" / "_bpf" / f"{source.stem}.o"

    def _compile(self, changed: Path) -> None:
        toolchain = build_bpf.find_toolchain()
        for source in self._sources_of(changed):
            output = self._object(source)
            paths = source.relative_to(self.root), output.relative_to(self.root)
            argv = build_bpf.clang_argv(*paths, os.uname().machine, toolchain)
            build_bpf.compile_object(output, argv, toolchain.llvm_strip, self.root)

    def _forget_compiled(self, path: Path) -> None:
        """Bytecode is known by its source's size and second: not enough for such changes."""
        for stale in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            stale.unlink()

    def run(self, tests: Sequence[str], *options: str) -> Ran:
        """The tests in the copy, with the copy's trafficmon in all processes that they start."""
        report = self.root / "report.xml"
        report.unlink(missing_ok=True)
        argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        argv += ["--hypothesis-profile=mutation", "--tb=short"]
        argv += [f"--junitxml={report}", *options, *tests]
        environment = os.environ | {"PYTHONPATH": str(self.root), "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            done = subprocess.run(
                argv,
                cwd=self.root,
                env=environment,
                check=False,
                capture_output=True,
                text=True,
                timeout=None if "-n" in options else _TRY_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return Ran(_PYTEST_FAILED, f"not done after {_TRY_SECONDS} seconds", {})
        results = _results(report) if report.exists() else {}
        return Ran(done.returncode, done.stdout + done.stderr, results)


def _included(source: Path, folder: Path) -> set[Path]:
    """The file and all that it includes of ours, whichever way."""
    found: set[Path] = set()
    waiting = [source]
    while waiting:
        path = waiting.pop()
        if path in found or not path.is_file():
            continue
        found.add(path)
        names = _INCLUDE.findall(path.read_text())
        waiting += [base / name for name in names for base in (folder, path.parent)]
    return found


def _results(report: Path) -> dict[str, str]:
    """By node id: "passed", "failed", or why it was skipped."""
    results: dict[str, str] = {}
    for case in ET.parse(report).iter("testcase"):
        failed = case.find("failure") is not None or case.find("error") is not None
        skipped = case.find("skipped")
        said = "failed" if failed else "passed"
        if skipped is not None:
            said = f"skipped: {skipped.get('message', '')}"
        results[_node(case.get("classname", ""), case.get("name", ""))] = said
    return results


def _node(classname: str, name: str) -> str:
    """The node id: classes begin with a capital letter, modules do not."""
    modules = [word for word in classname.split(".") if not word[:1].isupper()]
    classes = classname.split(".")[len(modules) :]
    return "::".join(["/".join(modules) + ".py", *classes, name])
