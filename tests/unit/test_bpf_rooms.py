# SPDX-License-Identifier: MIT
"""Headers of bpf/ include from rooms below only, and hold no function without a caller."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

BPF = Path(__file__).resolve().parents[2] / "bpf"
ROOMS = ("wire", "wire.h", "common", "owner", "parse", "events", "count")
"""From the bottom to the top; the programs include from all of them."""
INCLUDE = re.compile(r'^#include "(.+)"$', re.MULTILINE)
DEFINED = re.compile(r"^static \w.*?\b(tm_\w+)\([^;{]*\)\n\{", re.MULTILINE)
Included = dict[str, list[str]]


def included(root: Path = BPF) -> Included:
    """What each file includes of ours, by paths below ``root``."""
    files = {str(path.relative_to(root)): path.read_text() for path in root.rglob("*.[ch]")}
    return {
        name: [one for one in INCLUDE.findall(text) if one in files] for name, text in files.items()
    }


def upwards(found: Included) -> list[tuple[str, str]]:
    """The includes of a header from a room above its own."""
    rank = {name: ROOMS.index(name.split("/")[0]) for name in found if name.endswith(".h")}
    return [(one, other) for one in rank for other in found[one] if rank[other] > rank[one]]


def circles(found: Included) -> set[str]:
    """The files that include themselves through others."""
    while leaves := [name for name, others in found.items() if not set(others) & set(found)]:
        found = {name: others for name, others in found.items() if name not in leaves}
    return set(found)


def uncalled(texts: list[str]) -> set[str]:
    """Functions that are defined and occur nowhere else."""
    whole = "\n".join(texts)
    return {name for name in DEFINED.findall(whole) if len(re.findall(rf"\b{name}\b", whole)) == 1}


def test_includes_go_down_and_never_in_a_circle() -> None:
    found = included()
    assert upwards(found) == []
    assert circles(found) == set()


def test_every_function_has_a_caller() -> None:
    assert uncalled([path.read_text() for path in BPF.rglob("*.[ch]")]) == set()


@pytest.mark.parametrize(
    ("file", "text", "wrong"),
    [
        ("owner/a.bpf.h", '#include "count/b.bpf.h"\n', "upwards"),
        ("count/a.bpf.h", '#include "count/b.bpf.h"\n', "circle"),
        ("owner/a.bpf.h", "static __noinline int tm_a(void)\n{\n}\n", "uncalled"),
    ],
)
def test_the_search_finds_what_it_is_for(tmp_path: Path, file: str, text: str, wrong: str) -> None:
    for name, content in {"count/b.bpf.h": '#include "count/a.bpf.h"\n', file: text}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    found = included(tmp_path)
    assert (wrong == "upwards") == bool(upwards(found))
    assert (wrong == "circle") == bool(circles(found))
    assert (wrong == "uncalled") == bool(uncalled([text]))
