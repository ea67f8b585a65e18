# SPDX-License-Identifier: MIT
"""Processes that run frames through a program, each on a CPU of its own, and keep account of it.

Threads would take turns with the reader; these do not.
"""

from __future__ import annotations

import itertools
import mmap
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import numpy as np

import build_bpf
from trafficmon.libbpf.object import Program, test_run

_numbers = itertools.count()
_FRAME_BYTES = 128


class Account:
    """Shared memory: frames, and how often each sender began and finished sending which.

    A counter is changed by one process only.
    """

    def __init__(self, path: Path, senders: int, frames: int) -> None:
        shape = np.dtype(
            [
                ("stop", "u8", 1),
                ("ready", "u8", senders),
                ("begun", "u8", (senders, frames)),
                ("done", "u8", (senders, frames)),
                ("frame_bytes", "u8", frames),
                ("frame", "u1", (frames, _FRAME_BYTES)),
            ]
        )
        with path.open("r+b") as file:
            file.truncate(shape.itemsize)
            self._memory = mmap.mmap(file.fileno(), shape.itemsize)
        self.shared: Any = np.frombuffer(self._memory, shape)[0]

    def set_frames(self, frames: Sequence[bytes]) -> None:
        """What is to be sent."""
        for number, frame in enumerate(frames):
            self.shared["frame_bytes"][number] = len(frame)
            self.shared["frame"][number, : len(frame)] = np.frombuffer(frame, np.uint8)

    def frames(self) -> list[bytes]:
        """The same again."""
        sizes = self.shared["frame_bytes"].tolist()
        return [self.shared["frame"][n, :size].tobytes() for n, size in enumerate(sizes)]


class Senders:
    """Sends while the context lasts, frames in random order, each ``repeat`` times in a row."""

    def __init__(
        self, program: Program, frames: Sequence[bytes], cpus: Sequence[int], repeat: int
    ) -> None:
        self.program, self.frames, self.cpus, self.repeat = program, frames, cpus, repeat
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            pin = Path(f"/sys/fs/bpf/tmsenders-{os.getpid()}-{next(_numbers)}")
            self.program.pin(str(pin))
            stack.callback(pin.unlink)
            file = stack.enter_context(tempfile.NamedTemporaryFile(prefix="tmsenders-"))
            self.account = Account(Path(file.name), len(self.cpus), len(self.frames))
            self.account.set_frames(self.frames)
            self._processes: list[subprocess.Popen[bytes]] = []
            for sender in range(len(self.cpus)):
                process = stack.enter_context(self._start(pin, file.name, sender))
                stack.callback(process.kill)  # before it is waited for, should anything fail
                self._processes.append(process)
            stack.callback(self.stop)
            while not self.account.shared["ready"].all():
                assert all(process.poll() is None for process in self._processes)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _start(self, pin: Path, file: str, sender: int) -> subprocess.Popen[bytes]:
        numbers = [sender, self.cpus[sender], len(self.cpus), len(self.frames), self.repeat]
        argv = [sys.executable, "-m", __name__, str(pin), file, *map(str, numbers)]
        paths = os.pathsep.join(str(path) for path in (build_bpf.ROOT, *sys.path) if path)
        return subprocess.Popen(argv, cwd=build_bpf.ROOT, env={**os.environ, "PYTHONPATH": paths})

    def stop(self) -> None:
        """Let all of them come to their end."""
        self.account.shared["stop"][0] = 1
        for process in self._processes:
            assert process.wait(timeout=30) == 0

    def begun(self) -> Any:
        """By frame: how many at most were sent until now."""
        return self.account.shared["begun"].sum(axis=0).astype(np.int64)

    def done(self) -> Any:
        """By frame: how many at least."""
        return self.account.shared["done"].sum(axis=0).astype(np.int64)


def main(pin: str, file: str, *numbers: str) -> None:
    """One of the processes."""
    sender, cpu, senders, frames, repeat = map(int, numbers)
    os.sched_setaffinity(0, {cpu})
    account = Account(Path(file), senders, frames)
    shared, content, turns = account.shared, account.frames(), random.Random(sender)
    stop, begun, done = shared["stop"], shared["begun"][sender], shared["done"][sender]
    with Program.from_pin(pin) as program:
        shared["ready"][sender] = 1
        while not stop[0]:
            number = turns.randrange(frames)
            begun[number] += repeat
            test_run(program, content[number], repeat)
            done[number] += repeat


if __name__ == "__main__":
    main(*sys.argv[1:])
