# SPDX-License-Identifier: MIT
"""pyproject.toml declares what the code imports, and nothing else."""

from __future__ import annotations

import ast
import re
import sys

import pytest
import requirements

import build_bpf
from trafficmon.cli.imports import DISTRIBUTIONS

PROJECT = requirements.project()


def imported(folder: str) -> set[str]:
    """The packages of others that the Python files below ``folder`` import, by distribution."""
    found = set()
    for path in (build_bpf.ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    others = found - set(sys.stdlib_module_names) - {"trafficmon", "tests", "build_bpf"}
    return {DISTRIBUTIONS.get(name, name) for name in others}


def declared(lines: list[str]) -> set[str]:
    return {re.split(r"[<>=\[ ]", line)[0] for line in lines}


def test_what_is_imported_is_declared_and_the_other_way_round() -> None:
    web = declared(PROJECT["project"]["optional-dependencies"]["web"])
    assert imported("trafficmon") == declared(PROJECT["project"]["dependencies"]) | web


@pytest.mark.parametrize("line", requirements.requirements("lowest"))
def test_each_requirement_has_a_lower_bound(line: str) -> None:
    assert re.fullmatch(r"[a-z0-9-]+==[0-9.]+", line)
