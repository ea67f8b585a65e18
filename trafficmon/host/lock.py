# SPDX-License-Identifier: MIT
"""One attach or detach at a time for each pin directory, and one reader of what is read once."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from trafficmon.errors import BusyError, MissingPrivilegeError

RUN_DIR = Path("/run/trafficmon")
READERS = ("events", "dns")
"""What only one process at a time takes out of its ring buffer."""

_PATIENCE_S = 15.0
_PAUSE_S = 0.05
_AT_WORK = "another attach or detach is at work{}; try again when it has ended"


@contextmanager
def exclusive(pin_dir: Path) -> Iterator[None]:
    """Hold the lock for ``pin_dir``; wait a little for another holder, then say who it is.

    flock(2) goes with its process, so one that was killed blocks nobody. The file is removed while
    still locked, and whoever waited on the removed one opens the path anew.
    """
    with _held(file_of(pin_dir, "attach", ".lock"), _PATIENCE_S, _AT_WORK):
        yield


@contextmanager
def only_reader(pin_dir: Path, of: str, patience_s: float = 0.0) -> Iterator[None]:
    """Be the one who takes ``of`` ("events", "dns") out of its ring buffer.

    BusyError, after ``patience_s``, where another process is that: two would each get a part.
    """
    busy = f"{of} are being read by another process{{}}; end that one first"
    with _held(file_of(pin_dir, of, ".lock"), patience_s, busy):
        yield


@contextmanager
def _held(path: Path, patience_s: float, busy: str) -> Iterator[None]:
    try:
        fd = _acquire(path, time.monotonic() + patience_s, busy)
    except PermissionError as error:
        raise MissingPrivilegeError(
            f"the lock takes write permission for {error.filename}; run it as root"
        ) from None
    try:
        yield
    finally:
        _release(path, fd)


def discard(pin_dir: Path, *of: str) -> None:
    """Remove the files that killed holders have left; a lock that is held stays."""
    for one in of or ("attach", *READERS):
        _discard(file_of(pin_dir, one, ".lock"))


def _discard(path: Path) -> None:
    with suppress(OSError):  # there is none, or it is not ours to remove
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        if _try(fd) and _is_at(path, fd):
            _release(path, fd)
        else:
            os.close(fd)


def file_of(pin_dir: Path, what: str, suffix: str) -> Path:
    """Where ``what`` belongs to a pin directory outside of it: below /run/trafficmon."""
    return RUN_DIR / f"{what}{str(pin_dir).replace('/', '-')}{suffix}"


def dns_file(pin_dir: Path) -> Path:
    """Where what was learned from DNS is kept."""
    return file_of(pin_dir, "dns", ".db")


def _release(path: Path, fd: int) -> None:
    with suppress(FileNotFoundError):
        path.unlink()
    os.close(fd)
    with suppress(OSError):  # not empty: others hold theirs
        RUN_DIR.rmdir()


def _acquire(path: Path, deadline: float, busy: str) -> int:
    while True:
        with suppress(FileNotFoundError):  # a leaving holder may remove the directory just now
            RUN_DIR.mkdir(mode=0o755, exist_ok=True)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            if _try(fd) and _is_at(path, fd):
                os.truncate(fd, 0)
                os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
                return fd
            os.close(fd)
        if time.monotonic() > deadline:
            raise BusyError(busy.format(_holder(path)))
        time.sleep(_PAUSE_S)


def _try(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(path: Path, fd: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(fd))
    except FileNotFoundError:
        return False


def _holder(path: Path) -> str:
    try:
        return f" (process {int(path.read_text(encoding='ascii'))})"
    except (OSError, ValueError):
        return ""
