# SPDX-License-Identifier: MIT
"""Waiting for a condition: the one loop that does it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(read: Callable[[], T], timeout_s: float = 10.0, step_s: float = 0.01) -> T:
    """The first true value that ``read`` returns; AssertionError after ``timeout_s``."""
    deadline = time.monotonic() + timeout_s
    while not (found := read()):
        assert time.monotonic() < deadline, f"still {found!r} after {timeout_s} s"
        time.sleep(step_s)
    return found
