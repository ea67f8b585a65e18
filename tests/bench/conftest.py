# SPDX-License-Identifier: MIT
"""What the benchmarks share."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.bench.contenders import Contenders

_FLOOD_SOURCE = Path(__file__).with_name("flood.c")


@pytest.fixture(scope="session")
def contenders(tmp_path_factory: pytest.TempPathFactory) -> Contenders:
    """The programs to compare, compiled."""
    return Contenders(tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="session")
def flood_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """flood.c, compiled."""
    program = tmp_path_factory.mktemp("flood") / "flood"
    subprocess.run(["cc", "-O2", "-o", program, _FLOOD_SOURCE], check=True)
    return program
