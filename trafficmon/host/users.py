# SPDX-License-Identifier: MIT
"""Names of users, as the system's user database has them (NSS)."""

from __future__ import annotations

import pwd
import time
from collections.abc import Callable
from pathlib import Path

_KEPT = 4096
_HOLDS_S = 60.0
"""A directory service (LDAP) renames users without a change of /etc/passwd."""


class UserNames:
    """uid to name, each looked up once a minute, and when /etc/passwd is another file."""

    def __init__(
        self, database: str = "/etc/passwd", now: Callable[[], float] = time.monotonic
    ) -> None:
        self._database, self._now = Path(database), now
        self._known: dict[int, str | None] = {}
        self._as_of, self._until_s = self._edition(), now() + _HOLDS_S

    def name(self, uid: int) -> str | None:
        """The name; None where there is none."""
        edition = self._edition()
        if edition != self._as_of or self._now() >= self._until_s or len(self._known) >= _KEPT:
            self._known.clear()
            self._as_of, self._until_s = edition, self._now() + _HOLDS_S
        if uid not in self._known:
            self._known[uid] = _look_up(uid)
        return self._known[uid]

    def _edition(self) -> tuple[int, int]:
        try:
            facts = self._database.stat()
        except OSError:
            return 0, 0
        return facts.st_ino, facts.st_mtime_ns


def _look_up(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return None
