# SPDX-License-Identifier: MIT
"""What tests of several files share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kernel import probe
from tests.kernel.needs import needs_tcx


@pytest.fixture(autouse=True)
def _tcx_where_it_is_a_parameter(request: pytest.FixtureRequest) -> None:
    if "tcx" in request.node.name.partition("[")[2]:
        needs_tcx()


@pytest.fixture(scope="session")
def probe_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tests/kernel/probe.bpf.c, compiled."""
    return probe.compiled(tmp_path_factory.mktemp("probe"))
