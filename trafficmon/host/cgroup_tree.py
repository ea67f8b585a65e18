# SPDX-License-Identifier: MIT
"""Paths of cgroups by the kernel's ids, which are the inode numbers of their directories."""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from pathlib import Path
from typing import TypeVar

_KEPT = 65_536
_PAUSE_S = 1.0
_AGAIN_S = 60.0
"""An id that a walk did not find is of a cgroup that was removed, or is not visible from here."""

V = TypeVar("V")


class CgroupTree:
    """Walks the hierarchy for an id that it has not seen; keeps paths of cgroups since removed.

    The kernel gives no id twice, and cgroups of version 2 cannot be renamed, so a path that was
    once right stays right.
    """

    def __init__(self, root: Path | None) -> None:
        self._root = root
        self._paths: OrderedDict[int, str] = OrderedDict()
        self._missing: OrderedDict[int, float] = OrderedDict()  # until when
        self._walked_at = -_PAUSE_S

    def path(self, cgroup_id: int) -> str | None:
        """Below the root of the hierarchy, which is "/"; None where it is not known."""
        if cgroup_id not in self._paths:
            self._look_for(cgroup_id)
        if cgroup_id in self._paths:
            self._paths.move_to_end(cgroup_id)
        return self._paths.get(cgroup_id)

    def known(self) -> dict[int, str]:
        """All paths that were seen, by id."""
        return dict(self._paths)

    def _look_for(self, cgroup_id: int) -> None:
        """Not more than one walk a second."""
        now = time.monotonic()
        if self._root is None or now - self._walked_at < _PAUSE_S:
            return
        if now < self._missing.get(cgroup_id, now):
            return
        self._walked_at = now
        self._walk(self._root)
        if cgroup_id not in self._paths:
            _keep(self._missing, cgroup_id, now + _AGAIN_S)

    def _walk(self, root: Path) -> None:
        for directory, below, _ in os.walk(root):
            below.sort()
            try:
                number = Path(directory).stat().st_ino
            except OSError:  # it went meanwhile
                continue
            relative = os.path.relpath(directory, root)
            _keep(self._paths, number, "/" if relative == "." else f"/{relative}")


def _keep(kept: OrderedDict[int, V], key: int, value: V) -> None:
    """The newest, or last used, _KEPT."""
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > _KEPT:
        kept.popitem(last=False)
