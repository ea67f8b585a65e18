# SPDX-License-Identifier: MIT
"""A process that executes statements, line by line, in a namespace and a cgroup."""

from __future__ import annotations

import select
import subprocess
import sys
from pathlib import Path
from typing import Self

from tests.lab import processes
from tests.lab.namespace import Namespace
from tests.lab.requirements import LabError

_PATIENCE_S = 60.0
_PROGRAM = """
import array, os, socket, struct, sys, threading, time
with open("/proc/self/comm", "w") as comm:
    comm.write({name!r})
def accept(listener):
    return listener.accept()[0]
def take(connection, count):
    got = b""
    while len(got) < count:
        some = connection.recv(min(65536, count - len(got)))
        if not some:
            raise EOFError(len(got))
        got += some
    return len(got)
print("ready", flush=True)
for line in sys.stdin:
    try:
        exec(line.encode().decode("unicode_escape"))
        print("done", flush=True)
    except Exception as error:
        print("failed:", repr(error), flush=True)
"""


class Worker:
    """Moved into ``cgroup`` before it opens any socket: a socket belongs to where it was made."""

    def __init__(self, namespace: Namespace, name: str, cgroup: Path | None = None) -> None:
        self.namespace, self.name = namespace, name
        self._has_ended = False
        argv = [sys.executable, "-c", _PROGRAM.format(name=name)]
        self._process = namespace.popen(argv, stdin=subprocess.PIPE)
        processes.read_until(self._process, self._process.stdout, "ready\n")
        if cgroup is not None:
            (cgroup / "cgroup.procs").write_text(str(self.pid))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """It and its sockets; a second call does nothing."""
        if not self._has_ended:
            self._has_ended = True
            self.namespace.end(self._process)

    @property
    def pid(self) -> int:
        """Of the process itself: what starts it has become it."""
        return self._process.pid

    def begin(self, *statements: str) -> None:
        """Send statements, and do not wait."""
        stdin = self._process.stdin
        if stdin is None:
            raise LabError(f"worker {self.name} does not listen")
        text = "\n".join(statements)
        stdin.write(text.encode("unicode_escape").decode() + "\n")
        stdin.flush()

    def wait(self) -> None:
        """Until it has done that; LabError when it could not."""
        stdout = self._process.stdout
        if stdout is None or not select.select([stdout], [], [], _PATIENCE_S)[0]:
            raise LabError(f"worker {self.name} is not done after {_PATIENCE_S} s")
        answer = stdout.readline()
        if answer != "done\n":
            raise LabError(f"worker {self.name}: {answer!r}")

    def do(self, *statements: str) -> None:
        """Send statements, and wait."""
        self.begin(*statements)
        self.wait()
