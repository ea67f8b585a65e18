# SPDX-License-Identifier: MIT
"""Names of users, as the system's user database has them (NSS)."""

from __future__ import annotations

import pwd
from pathlib import Path


class UserNames:
    """uid to name, each asked for once, until /etc/passwd is another one."""

    def __init__(self, database: str = "/etc/passwd") -> None:
        self._database = Path(database)
        self._known: dict[int, str | None] = {}
        self._as_of = self._edition()

    def name(self, uid: int) -> str | None:
        """The name; None where there is none."""
        edition = self._edition()
        if edition != self._as_of:
            self._known.clear()
            self._as_of = edition
        if uid not in self._known:
            self._known[uid] = _ask(uid)
        return self._known[uid]

    def _edition(self) -> tuple[int, int]:
        try:
            facts = self._database.stat()
        except OSError:
            return 0, 0
        return facts.st_ino, facts.st_mtime_ns


def _ask(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return None
