# SPDX-License-Identifier: MIT
"""Mounts as processes see them (proc(5), mountinfo), and how long a mount namespace lasts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_WAITING = frozenset(
    {
        *("catatonit", "docker-init", "dumb-init", "tini"),
        *("doas", "runuser", "su", "sudo"),
        *("flock", "script", "setsid", "time", "timeout", "watch", "xargs"),
        *("ip", "nsenter", "unshare"),
        *("ltrace", "perf", "strace"),
    }
)
"""Programs that run another one and end with it: as ancestors of ours they keep nothing."""


@dataclass(frozen=True)
class Mount:
    """A line of mountinfo. No other mount on this machine has its ``id``, in no namespace."""

    id: int
    device: str  # major:minor of the file system's st_dev
    root: str  # which part of the file system; of a namespace "mnt:[inode]"
    place: Path
    kind: str  # "bpf", "tmpfs", …
    peer_group: str | None  # what is mounted below it appears in all mounts of this group

    @classmethod
    def of_line(cls, line: str) -> Mount:
        """Raises ValueError or IndexError for what is not a line of mountinfo."""
        front, _, back = line.partition(" - ")
        number, _, device, root, place, _, *optional = front.split(" ")
        peer_group = next((one for one in optional if one.startswith("shared:")), None)
        path = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), place))
        return cls(int(number), device, root, path, back.split(" ")[0], peer_group)


def mounts(pid: int | str = "self") -> list[Mount]:
    """What the process sees, in the order in which it was mounted; [] where that is not shown.

    Everybody may read that of each process that /proc shows (mounts_open_common() in
    fs/proc_namespace.c needs no privilege; /proc/PID/ns/mnt does).
    """
    with suppress(OSError):
        text = (PROC / str(pid) / "mountinfo").read_text("utf-8", "surrogateescape")
        return [Mount.of_line(line) for line in text.split("\n") if line]
    return []


def shows_processes() -> bool:
    """Whether /proc shows more than what is ours (proc(5): mount option hidepid)."""
    return (PROC / "1").exists()


def is_ours(pid: int | str) -> bool:
    """Whether the process lives in this mount namespace.

    The namespace's own file takes the right to trace the process. Who has not got it compares the
    numbers of mounts: each is given once on a machine, so who sees one of ours lives here.
    """
    try:
        there = (PROC / str(pid) / "ns/mnt").stat()
    except PermissionError:
        return not {one.id for one in mounts()}.isdisjoint(one.id for one in mounts(pid))
    except OSError:  # it has ended, or is not shown
        return False
    return there.st_ino == _inode()


def _inode() -> int:
    return (PROC / "self/ns/mnt").stat().st_ino


def keepers() -> Iterator[str]:
    """What keeps this mount namespace when this process ends: other processes, a file it lies on.

    A process that only waits for us, as sudo and timeout do, ends with us. A shell counts: it
    is not known whether we are its last command.
    """
    leaving = {os.getpid(), *_ancestors_that_wait()}
    for pid in [1, *_processes()]:
        if pid not in leaving and is_ours(pid):
            yield f"process {pid} ({_name(pid)!a})"
    for pid in (1, *_ancestors()):  # `unshare --mount=FILE`; a namespace cannot show its own
        for one in mounts(pid):
            if one.root == f"mnt:[{_inode()}]":
                yield ascii(str(one.place))


def is_shared(place: Path) -> bool:
    """Whether what is mounted on ``place`` appears in another mount namespace, too."""
    below = [one for one in mounts() if place.is_relative_to(one.place)]
    under = max(below, key=lambda one: len(one.place.parts), default=None)
    if under is None or under.peer_group is None:
        return False
    others = (pid for pid in (1, *_ancestors()) if not is_ours(pid))
    return any(one.peer_group == under.peer_group for pid in others for one in mounts(pid))


def _processes() -> Iterator[int]:
    return (int(path.name) for path in PROC.iterdir() if path.name.isdecimal())


def _name(pid: int) -> str:
    with suppress(OSError):
        return (PROC / str(pid) / "comm").read_text("utf-8", "surrogateescape").rstrip("\n")
    return "?"


def _ancestors() -> Iterator[int]:
    """The nearest first; those outside of our pid namespace are not seen."""
    pid = os.getppid()
    while pid > 0:
        yield pid
        try:
            stat = (PROC / str(pid) / "stat").read_text("utf-8", "surrogateescape")
        except OSError:
            return
        pid = int(stat.rpartition(")")[2].split()[1])


def _ancestors_that_wait() -> Iterator[int]:
    for pid in _ancestors():
        if _name(pid) not in _WAITING:
            return
        yield pid
