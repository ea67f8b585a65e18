# SPDX-License-Identifier: MIT
"""Cgroups of the tests' own, below the root of the v2 hierarchy."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.lab.requirements import LabError
from tests.waiting import wait_until
from trafficmon.host import cgroups

MAY_WATCH_ROOT = "TRAFFICMON_TEST_ROOT_CGROUP"
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
        remove_cgroup(path)


@contextmanager
def joined(cgroup: Path) -> Iterator[None]:
    """This process, and what it starts, in ``cgroup``; what it has started stays there."""
    root = cgroups.version_2_root()
    here = Path("/proc/self/cgroup").read_text(encoding="utf-8").rpartition("0::/")[2].strip()
    if root is None:
        raise LabError("no cgroup v2 is mounted")
    (cgroup / "cgroup.procs").write_text(str(os.getpid()))
    try:
        yield
    finally:
        (root / here / "cgroup.procs").write_text(str(os.getpid()))


def entering(cgroup: Path, argv: Sequence[str]) -> list[str]:
    """A command that moves itself into ``cgroup`` before it begins."""
    return ["sh", "-c", 'echo $$ >"$0"/cgroup.procs; exec "$@"', str(cgroup), *argv]


def may_watch_root() -> bool:
    """On a machine of the tests' own: a program on the root cgroup sees all traffic there is."""
    return os.environ.get(MAY_WATCH_ROOT) == "1"


def remove_cgroup(path: Path) -> None:
    """With those below; one that its last process has just left is busy for a moment."""
    wait_until(lambda: _is_removed(path), 5)


def _is_removed(path: Path) -> bool:
    try:
        for below in path.glob("*/"):
            below.rmdir()
        path.rmdir()
    except OSError:
        return False
    return True
