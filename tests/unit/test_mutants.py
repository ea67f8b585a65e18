# SPDX-License-Identifier: MIT
"""The kept list of mutants fits the sources, so that `make mutate` can try each of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutation import mutants
from tests.mutation.mutants import Mutant

LISTED = mutants.read()


def test_each_mutants_text_occurs_once_and_its_tests_exist() -> None:
    assert mutants.defects(LISTED) == []


def test_the_list_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    (tmp_path / "bpf").mkdir()
    (tmp_path / "bpf" / "x.h").write_text("a = 1; a = 1; b = 2;")
    (tmp_path / "test_x.py").write_text("class TestX:\n    def test_y(self): ...\n")
    node = "test_x.py::TestX::test_y[1]"
    cases = {
        "twice in the file": Mutant("m", "bpf/x.h", "a = 1", "a = 2", (node,)),
        "not there": Mutant("m", "bpf/x.h", "c", "d", (node,)),
        "no such file": Mutant("m", "bpf/y.h", "a", "b", (node,)),
        "no such test": Mutant("m", "bpf/x.h", "b", "c", ("test_x.py::TestX::test_z",)),
        "nothing changed": Mutant("m", "bpf/x.h", "b", "b", (node,)),
        "neither": Mutant("m", "bpf/x.h", "b", "c"),
        "both": Mutant("m", "bpf/x.h", "b", "c", (node,), "no reason"),
    }
    right = Mutant("n", "bpf/x.h", "b = 2", "b = 3", (node,))
    assert mutants.defects([right], tmp_path) == []
    for what, mutant in cases.items():
        assert len(mutants.defects([mutant], tmp_path)) == 1, what
    assert mutants.defects([right, right], tmp_path) == ["n: occurs twice"]


@pytest.mark.parametrize(
    ("patterns", "ids"), [("", "ax"), ("a", "a"), ("flows", "ax"), ("y, x", "x"), ("c", "")]
)
def test_a_part_is_selected_by_id_or_file(patterns: str, ids: str) -> None:
    listed = [Mutant("a", "bpf/flows.h", "1", "2"), Mutant("x", "bpf/flows.h", "1", "2")]
    assert "".join(one.id for one in mutants.select(listed, patterns)) == ids
