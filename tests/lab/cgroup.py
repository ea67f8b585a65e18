# SPDX-License-Identifier: MIT
"""Cgroups of the tests' own, below the root of the v2 hierarchy."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab.requirements import LabError
from trafficmon.host import cgroups

_BUSY_S = 5.0
_numbers = itertools.count(1)


@contextmanager
def own_cgroup(label: str, below: Path | None = None) -> Iterator[Path]:
    """`tm<label>-<pid>-<n>`, gone with the context; whoever was in it must have ended by then."""
    root = below or cgroups.version_2_root()
    if root is None:
        raise LabError("no cgroup v2 is mounted")
    path = root / f"tm{label}-{os.getpid()}-{next(_numbers)}"
    path.mkdir()
    try:
        yield path
    finally:
        _remove(path)


def _remove(path: Path) -> None:
    """A cgroup that its last process has just left is busy for a moment."""
    deadline = time.monotonic() + _BUSY_S
    while True:
        try:
            path.rmdir()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
