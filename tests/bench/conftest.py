# SPDX-License-Identifier: MIT
"""What the benchmarks share."""

from __future__ import annotations

import pytest

from tests.bench.contenders import Contenders


@pytest.fixture(scope="session")
def contenders(tmp_path_factory: pytest.TempPathFactory) -> Contenders:
    """The programs to compare, compiled."""
    return Contenders(tmp_path_factory.mktemp("bench"))
