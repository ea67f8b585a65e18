# SPDX-License-Identifier: MIT
"""A network namespace whose programs have mounts of their own: other states of /sys/fs/bpf."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Self

from tests.lab import processes
from tests.lab.namespace import Namespace
from tests.lab.processes import Process


class PrivateMounts(Namespace):
    """``prepare``: what a shell does to the mounts before anything else runs there."""

    def __init__(self, label: str, prepare: str) -> None:
        super().__init__(label)
        self._prepare = prepare
        self._prefix: list[str] = []

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            script = f"set -e; {self._prepare}; echo ready; exec sleep 600"
            keeper = self.popen(["unshare", "--mount", "sh", "-c", script])
            processes.read_until(keeper, keeper.stdout, "ready")
        except BaseException:
            self.close()
            raise
        self._prefix = ["nsenter", f"--mount=/proc/{keeper.pid}/ns/mnt"]
        return self

    def popen(
        self, argv: Sequence[str], *, user: str | int | None = None, stdin: int = subprocess.DEVNULL
    ) -> Process:
        """Starts a program among these mounts."""
        return super().popen([*self._prefix, *argv], user=user, stdin=stdin)
