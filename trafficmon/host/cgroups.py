# SPDX-License-Identifier: MIT
"""Where cgroup v2 is mounted, and which one is watched."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Self

from trafficmon.errors import invalid_value
from trafficmon.libbpf.system import CGROUP2_SUPER_MAGIC, filesystem_type

_ROOT_ID = 1  # kernfs numbers from 1, the root first (fs/kernfs/dir.c)
_PROC_CGROUP_INIT_INO = 0xEFFFFFFB  # include/linux/proc_ns.h


def version_2_root(mountinfo: str | None = None) -> Path | None:
    """The mount point of cgroup v2, out of /proc/self/mountinfo (proc(5)); None without one.

    On systems with both versions it is not /sys/fs/cgroup itself.
    """
    if mountinfo is None:
        mountinfo = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
    for line in mountinfo.split("\n"):
        place, _, kind = line.partition(" - ")
        if kind.startswith("cgroup2 "):
            return Path(re.sub(r"\\([0-7]{3})", _unescaped, place.split(" ")[4]))
    return None


def in_namespace() -> bool:
    """Whether paths begin elsewhere than at the root of the hierarchy (cgroup_namespaces(7))."""
    return Path("/proc/self/ns/cgroup").stat().st_ino != _PROC_CGROUP_INIT_INO


def _unescaped(octal: re.Match[str]) -> str:
    return chr(int(octal[1], 8))


def require_version_2(path: Path) -> Path:
    """``path``, absolute, if it is a cgroup v2; else UsageError with one that is."""
    root = version_2_root()
    hint = f"cgroup v2 is mounted on {root}" if root else "no cgroup v2 is mounted"
    if not path.exists():
        raise invalid_value("--cgroup", path, f"no such directory; {hint}")
    if filesystem_type(str(path)) != CGROUP2_SUPER_MAGIC:
        raise invalid_value("--cgroup", path, f"not a cgroup v2 directory; {hint}")
    return path.resolve()


def is_root(path: Path) -> bool:
    """Whether the cgroup is the root of all, and not of a cgroup namespace only."""
    try:
        return path.stat().st_ino == _ROOT_ID
    except OSError:
        return False


def would_be_visible(path: Path) -> bool:
    """Whether ``path`` would be seen here if it were there: a parent of it is a cgroup v2."""
    return any(filesystem_type(str(above)) == CGROUP2_SUPER_MAGIC for above in path.parents)


class Cgroup:
    """A cgroup v2, open; close() or the ``with`` block lets go of it.

    ``id`` is the kernel's (kernfs_node.id, which is the directory's inode number).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.id = os.fstat(self.fd).st_ino

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)
