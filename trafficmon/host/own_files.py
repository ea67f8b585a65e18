# SPDX-License-Identifier: MIT
"""Small files of the user's own: settings, and the log of unexpected errors.

Under sudo the home directory may be another user's, who could put links and pipes there. So
nothing is written below a directory that is not ours, and nothing but regular files is opened.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path


def read_own(path: Path, most_bytes: int) -> bytes:
    """The beginning of a regular file; OSError for anything else."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe would not open else
    with os.fdopen(fd, "rb") as stream:
        _require_regular(fd, path)
        return stream.read(most_bytes)


def replace_own(path: Path, content: bytes) -> None:
    """Write ``path`` anew, as a whole or not at all; readable by its owner alone."""
    _make_own_directory(path.parent)
    fd, fresh = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(fd, "wb") as stream:
            stream.write(content)
        Path(fresh).replace(path)
    except OSError:
        with suppress(OSError):
            Path(fresh).unlink()
        raise


def append_own(path: Path, content: bytes, most_bytes: int) -> None:
    """Append to ``path``; beyond ``most_bytes`` it is kept under the name with ".old" at its end.

    A symbolic link is not followed: ELOOP.
    """
    _make_own_directory(path.parent)
    with suppress(FileNotFoundError):
        if path.lstat().st_size > most_bytes:
            path.replace(path.with_name(f"{path.name}.old"))
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    fd = os.open(path, flags, 0o600)
    with os.fdopen(fd, "ab") as stream:
        _require_regular(fd, path)
        stream.write(content)


def _require_regular(fd: int, path: Path) -> None:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise OSError(errno.EINVAL, "is not a regular file", str(path))


def _make_own_directory(path: Path) -> None:
    """What is missing of it is made; PermissionError below another user's directory."""
    there = next(place for place in (path, *path.absolute().parents) if place.exists())
    if there.stat().st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "belongs to another user", str(there))
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
