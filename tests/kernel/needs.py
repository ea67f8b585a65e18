# SPDX-License-Identifier: MIT
"""What not all kernels have: a test that needs it is skipped, and says what is missing."""

from __future__ import annotations

import os
import re

import pytest


def kernel_version() -> tuple[int, int]:
    """Of the running kernel: major, minor."""
    major, minor = re.findall(r"\d+", os.uname().release)[:2]
    return int(major), int(minor)


def needs_linux(major: int, minor: int, what: str) -> None:
    """Skip before that version."""
    if kernel_version() < (major, minor):
        release = os.uname().release
        pytest.skip(f"this kernel ({release}) has no {what}, which came with {major}.{minor}")


def needs_tcx() -> None:
    """6.6 (e420bed02507)."""
    needs_linux(6, 6, "tcx links")


USUAL_TC = "tcx" if kernel_version() >= (6, 6) else "clsact"
"""How tc is attached where nothing else is requested."""
