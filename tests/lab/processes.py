# SPDX-License-Identifier: MIT
"""Starting, awaiting and ending the programs that run in a namespace.

Every program leads a session of its own, and the session's id (the pid that was recorded) finds the
children that outlived it: nothing is ever ended by name.
"""

import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from tests.lab.requirements import LabError

Process = subprocess.Popen[str]


def start(argv: Sequence[str], *, stdin: int = subprocess.DEVNULL) -> Process:
    """Starts `argv` as leader of a new session, with pipes for its output (of 64 KiB each)."""
    return subprocess.Popen(
        argv,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(
    process: Process, timeout: float, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Waits for `process` and returns its output.

    Raises LabError, with what it said, when it has not ended after `timeout` seconds; it is ended
    then.
    """
    try:
        stdout, stderr = process.communicate(stdin, timeout)
    except subprocess.TimeoutExpired as error:
        end(process)
        said = "".join(process.communicate())[-2000:]
        raise LabError(
            f"`{_command_line(process)}` was not done after {timeout} s; it said: {said!r}"
        ) from error
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def check(result: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    """Returns `result`; raises LabError with what the program said if its status is not 0."""
    if result.returncode != 0:
        said = (result.stderr.strip() or result.stdout.strip())[-2000:]
        raise LabError(
            f"`{' '.join(map(str, result.args))}` ended with status {result.returncode}: {said}"
        )
    return result


def read_until(process: Process, stream: IO[str] | None, text: str, timeout: float = 10.0) -> str:
    """Reads `stream` of `process` until `text` was said; returns all that was read.

    Raises LabError when the program ends or `timeout` seconds pass before. The reading goes past
    the stream's own buffer, so that `finish` still gets everything that comes later.
    """
    if stream is None:
        raise LabError(f"`{_command_line(process)}` has no pipe to read {text!r} from")
    said = b""
    deadline = time.monotonic() + timeout
    while text.encode() not in said:
        readable, _, _ = select.select([stream], [], [], max(0.0, deadline - time.monotonic()))
        chunk = os.read(stream.fileno(), 4096) if readable else b""
        if not chunk:
            end(process)
            rest = process.stderr.read() if process.stderr and process.stderr is not stream else ""
            raise LabError(
                f"`{_command_line(process)}` did not say {text!r} within {timeout} s, but:"
                f" {said.decode() + rest}"
            )
        said += chunk
    return said.decode()


def check_alive(process: Process) -> None:
    """Raises LabError, with what the program said, when it has ended."""
    if process.poll() is not None:
        said = process.stderr.read() if process.stderr else ""
        raise LabError(
            f"`{_command_line(process)}` ended too early, with status {process.returncode}:"
            f" {said[-2000:]}"
        )


def end(process: Process, patience_s: float = 2.0) -> None:
    """Ends `process` and what is left of its session: by SIGTERM, after `patience_s` by SIGKILL."""
    deadline = time.monotonic() + patience_s
    remaining = _remaining(process)
    _signal(remaining, signal.SIGTERM)
    while remaining and time.monotonic() < deadline:
        time.sleep(0.005)
        remaining = _remaining(process)
    _signal(remaining, signal.SIGKILL)
    process.wait()


def close_pipes(process: Process) -> None:
    """Closes our ends of the pipes of `process`."""
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def is_sleeping(process: Process) -> bool:
    """Whether the program waits for something, with nothing to do."""
    return _state(process.pid) == "S"


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it has not ended (a zombie has)."""
    return _state(pid) not in {None, "Z", "X"}


def _remaining(process: Process) -> list[int]:
    """The pids of the session led by `process` that still run (zombies do not)."""
    leader = [process.pid] if process.poll() is None else []
    return leader + [
        pid for pid in _all_pids() if pid != process.pid and _is_alive_in(process.pid, pid)
    ]


def _all_pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _is_alive_in(session: int, pid: int) -> bool:
    try:
        return os.getsid(pid) == session and is_running(pid)
    except ProcessLookupError:
        return False


def _state(pid: int) -> str | None:
    """The state letter of a process, None when it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return stat.rpartition(")")[2].split()[0]


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue  # it ended by itself meanwhile


def _command_line(process: Process) -> str:
    return " ".join(map(str, process.args)) if isinstance(process.args, list) else str(process.args)
