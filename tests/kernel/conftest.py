# SPDX-License-Identifier: MIT
"""What tests of several files share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel import attached, probe
from tests.kernel.needs import needs_tcx
from tests.kernel.owned import Place, place_of
from tests.kernel.program import Program
from tests.lab.lab import Lab


@pytest.fixture(autouse=True)
def _tcx_where_it_is_a_parameter(request: pytest.FixtureRequest) -> None:
    if "tcx" in request.node.name.partition("[")[2]:
        needs_tcx()


@pytest.fixture(scope="session")
def probe_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tests/kernel/probe.bpf.c, compiled."""
    return probe.compiled(tmp_path_factory.mktemp("probe"))


@pytest.fixture
def place() -> Iterator[Place]:
    """All layers are attached."""
    with place_of(attach=True) as made:
        yield made


@pytest.fixture
def unattached() -> Iterator[Place]:
    """Nothing is attached yet."""
    with place_of(attach=False) as made:
        yield made


@pytest.fixture
def bare() -> Iterator[tuple[Lab, Program]]:
    """A lab without a cgroup, and nothing attached yet."""
    with attached.lab_and_program() as made:
        yield made
