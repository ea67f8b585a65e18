# SPDX-License-Identifier: MIT
"""What tests of several files share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kernel import probe


@pytest.fixture(scope="session")
def probe_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tests/kernel/probe.bpf.c, compiled."""
    return probe.compiled(tmp_path_factory.mktemp("probe"))
