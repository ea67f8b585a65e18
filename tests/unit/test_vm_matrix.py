# SPDX-License-Identifier: MIT
"""The tests that run in virtual machines are there: by a name that is not, a whole kernel fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.vm.matrix import EVERYDAY_FILES, FILES

ROOT = Path(__file__).resolve().parents[2]


def test_every_test_that_is_named_is_found() -> None:
    named = [f"tests/kernel/{name}" for name in dict.fromkeys((*FILES, *EVERYDAY_FILES))]
    argv = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run([*argv, *named], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
