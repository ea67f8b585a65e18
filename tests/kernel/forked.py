# SPDX-License-Identifier: MIT
"""`trafficmon` in a child forked from here: the same command, without waiting for imports.

Starting an interpreter is most of what a short command takes, and under an emulated CPU seconds.
What a user starts is tested too (Program.execute): exit codes, killing, speed.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from subprocess import CompletedProcess
from typing import IO, NoReturn

from tests.lab.namespace import Namespace
from trafficmon.cli import main as command_line

_BROKEN = 70  # EX_SOFTWARE: not what a command ends with by itself


def run(
    namespace: Namespace,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    timeout_s: float = 60.0,
) -> CompletedProcess[str]:
    """Run a command in ``namespace`` to its end. TimeoutError when there is none."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            _become(namespace, arguments, environment, out, err)
        status = _wait(pid, timeout_s)
        said = []
        for stream in (out, err):
            stream.seek(0)
            said.append(stream.read())
    return CompletedProcess(["trafficmon", *arguments], status, *said)


def _wait(pid: int, timeout_s: float) -> int:
    descriptor = os.pidfd_open(pid)
    try:
        if not select.select([descriptor], [], [], timeout_s)[0]:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise TimeoutError(f"no end within {timeout_s} s")
    finally:
        os.close(descriptor)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _become(
    namespace: Namespace,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    out: IO[str],
    err: IO[str],
) -> NoReturn:
    """The child. It has what we have loaded; streams, arguments and namespace are its own."""
    status = _BROKEN
    try:
        gc.disable()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, 0)
        os.environ.update(environment)
        sys.argv = ["trafficmon", *arguments]
        namespace.enter()
        status = command_line.run()
    except BaseException:  # noqa: BLE001 - whatever it is, the parent's tests are not to continue here
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
