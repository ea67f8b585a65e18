# SPDX-License-Identifier: MIT
"""Files in a directory, one for each interface and user.

A file is appended to by whole lines, in one write(2). Where it ends without a newline its writer
was killed, and the torn line is cut off. Never through a symbolic link, into what is not a regular
file, or into a file with a second name: a user who can write to the directory must not choose where
root writes.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trafficmon.errors import TrafficmonError
from trafficmon.userlog.row import Row
from trafficmon.userlog.sinks.base import Totals
from trafficmon.userlog.sinks.forms import Form

_MODE = 0o640
_NOT_OURS = "not a file of this log's own (a link, a FIFO, a directory); remove it"
_TAIL_BYTES = 4096  # the last line is shorter
_OPEN = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


@dataclass
class _File:
    fd: int
    size: int


class FileSink:
    """``traffic_user_<nic>_<uid>.<suffix>`` below ``directory``.

    A file that would grow beyond ``most_bytes`` is renamed to .1, that to .2, up to ``keep``.
    """

    failure: OSError | None = None

    def __init__(self, directory: Path, form: Form, most_bytes: int, keep: int) -> None:
        self._path, self._form = directory, form
        self._most_bytes, self._keep = most_bytes, keep
        self._directory = -1
        self._files: dict[str, _File] = {}
        self._name = re.compile(rf"traffic_user_(.+)_(\d+)\.{form.suffix}")

    def open(self) -> dict[int, Totals]:
        """Make the directory if it is missing. Totals of the files that are there, by uid."""
        try:
            self._path.mkdir(mode=0o750, parents=True, exist_ok=True)
            self._directory = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise TrafficmonError(f"cannot log to {self._path}: {error.strerror}") from error
        known: dict[int, Totals] = {}
        for name in sorted(os.listdir(self._directory)):  # noqa: PTH208 - Path takes no fd
            if (match := self._name.fullmatch(name)) is None:
                continue
            uid = int(match[2])
            found = self._last_totals(name)
            if found is not None and found.at_ns >= known.get(uid, Totals()).at_ns:
                known[uid] = found
        return known

    def close(self) -> None:
        """Close all files."""
        self._close_files()
        if self._directory >= 0:
            os.close(self._directory)
            self._directory = -1

    def reopen(self) -> None:
        """After others have moved the files away."""
        self._close_files()

    def _close_files(self) -> None:
        for one in self._files.values():
            os.close(one.fd)
        self._files.clear()

    def write(self, rows: Sequence[Row]) -> list[Row]:
        """Rows that did not get written: the disk is full, or a file is not ours to write."""
        if not rows:
            return []
        name = f"traffic_user_{_plain(rows[0].nic)}_{rows[0].uid}.{self._form.suffix}"
        try:
            self._append(name, b"".join(map(self._form.line, rows)))
        except OSError as error:
            self.failure = error
            return list(rows)
        self.failure = None
        return []

    def _append(self, name: str, lines: bytes) -> None:
        one = self._files.get(name) or self._take(name)
        if one.size + len(lines) > self._most_bytes and one.size > len(self._form.header):
            self._rotate(name)
            one = self._take(name)
        if not one.size:
            lines = self._form.header + lines
        try:
            written = os.write(one.fd, lines)
        except OSError:
            os.ftruncate(one.fd, one.size)
            raise
        if written < len(lines):  # the disk is full: no half lines
            os.ftruncate(one.fd, one.size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)
        one.size += written

    def _take(self, name: str) -> _File:
        try:
            fd = os.open(name, _OPEN, _MODE, dir_fd=self._directory)
        except OSError as error:
            if error.errno not in (errno.EISDIR, errno.ELOOP, errno.ENXIO):
                raise
            raise OSError(error.errno, _NOT_OURS, name) from None
        try:
            facts = os.fstat(fd)
            if not stat.S_ISREG(facts.st_mode) or facts.st_nlink > 1:
                raise OSError(errno.ELOOP, _NOT_OURS, name)
            size = _without_torn_line(fd, facts.st_size)
        except OSError:
            os.close(fd)
            raise
        self._files[name] = _File(fd, size)
        return self._files[name]

    def _rotate(self, name: str) -> None:
        os.close(self._files.pop(name).fd)
        for number in range(self._keep, 0, -1):
            older = name if number == 1 else f"{name}.{number - 1}"
            try:
                os.rename(
                    older,
                    f"{name}.{number}",
                    src_dir_fd=self._directory,
                    dst_dir_fd=self._directory,
                )
            except FileNotFoundError:
                continue
        if not self._keep:
            os.unlink(name, dir_fd=self._directory)

    def _last_totals(self, name: str) -> Totals | None:
        """Of the last whole line; the file may be new since a rotation."""
        for one in (name, f"{name}.1"):
            try:
                fd = os.open(
                    one,
                    os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK,
                    dir_fd=self._directory,
                )
            except OSError:
                continue
            try:
                facts = os.fstat(fd)
                if not stat.S_ISREG(facts.st_mode):  # said when there is something to write
                    continue
                size = facts.st_size
                tail = os.pread(fd, _TAIL_BYTES, max(0, size - _TAIL_BYTES))
            finally:
                os.close(fd)
            for line in reversed(tail[: tail.rfind(b"\n") + 1].splitlines()):
                totals = self._form.totals(line)
                if totals is not None:
                    return totals
        return None


def _plain(name: str) -> str:
    """An interface's name as part of a file's: the kernel allows all but "/" and spaces."""
    return name.replace("/", "_")


def _without_torn_line(fd: int, size: int) -> int:
    tail = os.pread(fd, _TAIL_BYTES, max(0, size - _TAIL_BYTES))
    if not tail or tail.endswith(b"\n"):
        return size
    whole = size - len(tail) + tail.rfind(b"\n") + 1
    os.ftruncate(fd, whole)
    return whole
