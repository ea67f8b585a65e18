# SPDX-License-Identifier: MIT
"""The kept list of mutants: bpf.toml and python.toml beside this file.

A mutant is a small fault that someone could make: a text that occurs exactly once in one file,
what takes its place, and the tests that fail then. One that no test can catch says why
(`survives`).
"""

from __future__ import annotations

import ast
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LISTS = ("bpf.toml", "python.toml")


@dataclass(frozen=True)
class Mutant:
    """One fault. ``tests``: node ids of pytest, parameters left out; or the reason it survives."""

    id: str
    file: str
    text: str
    replacement: str
    tests: tuple[str, ...] = ()
    survives: str = ""

    @property
    def is_bpf(self) -> bool:
        """Whether objects must be compiled to try it."""
        return self.file.startswith("bpf/")

    @property
    def part(self) -> str:
        """The list that its share counts in."""
        return "bpf" if self.is_bpf else "python"


def read(root: Path = ROOT) -> list[Mutant]:
    """All mutants of all lists, in their order. ValueError for a record that is not complete."""
    found: list[Mutant] = []
    for name in LISTS:
        path = root / "tests" / "mutation" / name
        if path.exists():
            found += [_mutant(name, one) for one in tomllib.loads(path.read_text())["mutant"]]
    return found


def _mutant(source: str, record: dict[str, str | list[str]]) -> Mutant:
    try:
        return Mutant(**{**record, "tests": tuple(record.get("tests", ()))})  # type: ignore[arg-type]
    except TypeError as error:
        raise ValueError(f"{source}: {record.get('id')}: {error}") from None


def select(mutants: list[Mutant], patterns: str) -> list[Mutant]:
    """Those with one of the comma-separated ``patterns`` in their id or file; "" selects all."""
    selected = [f"*{pattern.strip()}*" for pattern in patterns.split(",") if pattern.strip()]
    return [
        mutant
        for mutant in mutants
        if not selected
        or any(fnmatchcase(word, one) for word in (mutant.id, mutant.file) for one in selected)
    ]


def defects(mutants: list[Mutant], root: Path = ROOT) -> list[str]:
    """What is wrong with the list as it stands beside the sources; no defects, an empty list."""
    said = [
        f"{mutant.id}: {what}"
        for mutant in mutants
        for what in [*_defects_of_text(mutant, root), *_defects_of_tests(mutant, root)]
    ]
    ids = [mutant.id for mutant in mutants]
    return said + [f"{one}: occurs twice" for one in sorted({i for i in ids if ids.count(i) > 1})]


def _defects_of_text(mutant: Mutant, root: Path) -> list[str]:
    path = root / mutant.file
    if not path.is_file():
        return [f"{mutant.file} does not exist"]
    count = path.read_text().count(mutant.text)
    said = [] if count == 1 else [f"its text occurs {count} times in {mutant.file}"]
    return said if mutant.text != mutant.replacement else [*said, "its replacement changes nothing"]


def _defects_of_tests(mutant: Mutant, root: Path) -> list[str]:
    if bool(mutant.tests) == bool(mutant.survives):
        return ["needs either tests or a reason to survive"]
    return [f"no test {node}" for node in mutant.tests if not _exists(node, root)]


def _exists(node: str, root: Path) -> bool:
    """Whether the file defines the test; parameters are not looked at."""
    file, *names = node.partition("[")[0].split("::")
    path = root / file
    if not names or not path.is_file():
        return False
    body: list[ast.stmt] = ast.parse(path.read_text()).body
    for name in names:
        found = [
            one
            for one in body
            if isinstance(one, ast.FunctionDef | ast.ClassDef) and one.name == name
        ]
        if not found:
            return False
        body = found[0].body
    return True
