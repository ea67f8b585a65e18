# SPDX-License-Identifier: MIT
"""Paths of cgroups by the kernel's ids, which are the inode numbers of their directories."""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from pathlib import Path

_REMEMBERED = 65_536
_PAUSE_S = 1.0


class CgroupTree:
    """Walks the hierarchy when asked for an id that it has not seen; keeps what has gone since."""

    def __init__(self, root: Path | None) -> None:
        self._root = root
        self._paths: OrderedDict[int, str] = OrderedDict()
        self._walked_at = -_PAUSE_S

    def path(self, cgroup_id: int) -> str | None:
        """Below the root of the hierarchy, which is "/"; None where it is not known."""
        if cgroup_id not in self._paths:
            self._walk()
        return self._paths.get(cgroup_id)

    def known(self) -> dict[int, str]:
        """All paths that were seen, by id."""
        return dict(self._paths)

    def _walk(self) -> None:
        """Not more than once a second: an id may belong to one that went before we looked."""
        if self._root is None or time.monotonic() - self._walked_at < _PAUSE_S:
            return
        self._walked_at = time.monotonic()
        for directory, below, _ in os.walk(self._root):
            below.sort()
            self._note(directory)

    def _note(self, directory: str) -> None:
        try:
            number = Path(directory).stat().st_ino
        except OSError:  # it went meanwhile
            return
        relative = os.path.relpath(directory, self._root)
        self._paths[number] = "/" if relative == "." else f"/{relative}"
        self._paths.move_to_end(number)
        while len(self._paths) > _REMEMBERED:
            self._paths.popitem(last=False)
