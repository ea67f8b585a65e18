# SPDX-License-Identifier: MIT
"""How much memory this process's cgroup may take: the kernel charges BPF maps to it since 5.11."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_NO_LIMIT = 1 << 60  # version 1 says that there is none by a number near 2^63


def cgroup_limit_bytes() -> int | None:
    """The lowest limit of this process's cgroup and of those above it; None where there is none."""
    return min(filter(None, map(_limit, _limit_files())), default=None)


def _limit(file: Path) -> int | None:
    try:
        limit = int(file.read_text())  # or "max"
    except (OSError, ValueError):
        return None
    return limit if limit < _NO_LIMIT else None


def _limit_files() -> Iterator[Path]:
    """memory.max of version 2 (Documentation/admin-guide/cgroup-v2.rst), and version 1's."""
    mounts = dict(_mounts())
    for line in _lines("/proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        kind = "memory" if "memory" in controllers.split(",") else controllers or "cgroup2"
        if kind in mounts and kind in _FILES:
            root = mounts[kind]
            here = Path(f"{root}/{path.lstrip('/')}")
            yield from (
                at / _FILES[kind] for at in (here, *here.parents) if root in (at, *at.parents)
            )


_FILES = {"cgroup2": "memory.max", "memory": "memory.limit_in_bytes"}


def _mounts() -> Iterator[tuple[str, Path]]:
    """Where version 2, and version 1's memory controller, are mounted (proc_pid_mountinfo(5))."""
    for line in _lines("/proc/self/mountinfo"):
        place, _, of = line.partition(" - ")
        kind, _, options = of.split(" ", 2)
        if kind == "cgroup" and "memory" in options.split(","):
            kind = "memory"
        yield kind, Path(place.split(" ")[4])


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return []
