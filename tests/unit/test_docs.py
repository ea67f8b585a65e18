# SPDX-License-Identifier: MIT
"""Pages name what exists: links between them, and paths, identifiers and targets in backticks."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path.relative_to(ROOT)
    for path in (*ROOT.glob("docs/**/*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md")
)

_LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
_CODE = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"(?:\.ci|bpf|docs|tests|tools|trafficmon|vmlinux)/[\w./*-]+")
_NAME = re.compile(r"(?:struct |enum )?([A-Za-z]\w*_\w+|[A-Z][a-z]+[A-Z]\w+)(?:\(\))?")
_TARGET = re.compile(r"make ([a-z][a-z-]*)\b.*")
_BUILT = ("trafficmon/_bpf/",)


@cache
def _words() -> frozenset[str]:
    """Of the sources: our names, and the kernel's that they use."""
    files = (*ROOT.glob("bpf/**/*.[ch]"), *ROOT.glob("trafficmon/**/*.py"))
    return frozenset(word for path in files for word in re.findall(r"\w+", path.read_text()))


@cache
def _targets() -> frozenset[str]:
    return frozenset(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def _exists(name: str) -> bool:
    return any(ROOT.glob(name.rstrip("/")))


def _missing(page: Path) -> list[str]:
    text = (ROOT / page).read_text()
    links = [to for to in _LINK.findall(text) if "://" not in to]
    lost = [to for to in links if not (ROOT / page).parent.joinpath(to).exists()]
    for code in _CODE.findall(text):
        if _PATH.fullmatch(code) and not code.startswith(_BUILT) and not _exists(code):
            lost.append(code)
        if (name := _NAME.fullmatch(code)) and name[1] not in _words():
            lost.append(code)
        if (target := _TARGET.fullmatch(code)) and target[1] not in _targets():
            lost.append(code)
    return lost


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_what_a_page_names_exists(page: Path) -> None:
    assert _missing(page) == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    found, left = set[Path](), [ROOT / "README.md"]
    while left:
        page = left.pop()
        found.add(page)
        for to in _LINK.findall(page.read_text()):
            target = (page.parent / to).resolve()
            if target.suffix == ".md" and target.is_file() and target not in found:
                left.append(target)
    assert {ROOT / page for page in PAGES} <= found


@pytest.mark.parametrize(
    "text",
    [
        "[gone](docs/gone.md)",
        "`bpf/gone.bpf.c`",
        "`trafficmon/gone/`",
        "`tm_gone()`",
        "`struct tm_gone`",
        "`GoneClass`",
        "`make gone`",
    ],
)
def test_what_does_not_exist_is_found(text: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    assert len(_missing(page)) == 1
