# SPDX-License-Identifier: MIT
"""One attach or detach at a time for each pin directory, and one reader of what is read once."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from trafficmon.errors import BusyError, MissingPrivilegeError, NoRoomError

RUN_DIR = Path("/run/trafficmon")
_RUN_MODE = 0o711
"""Others pass through and list nothing: they open what is theirs by its name."""

READERS = ("events", "dns")
"""What only one process at a time takes out of its ring buffer."""

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_PATIENCE_S = 15.0
_PAUSE_S = 0.05
_AT_WORK = "another attach or detach is running{}; try again when it has ended"


@contextmanager
def exclusive(pin_dir: Path) -> Iterator[None]:
    """Hold the lock for ``pin_dir``; wait a little for another holder, then say who it is.

    flock(2) goes with its process, so a killed process blocks no other. The file is removed while
    still locked, and whoever waited on the removed one opens the path anew. Where there is no room
    for a file, the pin directory itself stands in: so detach works on a full /run. It is locked
    besides the file, as another may have found room.
    """
    deadline = time.monotonic() + _PATIENCE_S
    with ExitStack() as held:
        try:
            held.enter_context(_held(file_of(pin_dir, "attach", ".lock"), deadline, _AT_WORK))
        except NoRoomError:
            if not _is_lockable(pin_dir):
                raise
        held.enter_context(_directory_held(pin_dir, deadline, _AT_WORK))
        yield


@contextmanager
def only_reader(pin_dir: Path, of: str, patience_s: float = 0.0) -> Iterator[None]:
    """Be the one who takes ``of`` ("events", "dns") out of its ring buffer.

    BusyError, after ``patience_s``, where another process is that: two would each get a part.
    """
    busy = f"cannot read {of}: another process reads them{{}}; end that one first"
    with _held(file_of(pin_dir, of, ".lock"), time.monotonic() + patience_s, busy):
        yield


@contextmanager
def _held(path: Path, deadline: float, busy: str) -> Iterator[None]:
    try:
        fd = _acquire(path, deadline, busy)
    except PermissionError as error:
        raise MissingPrivilegeError(
            f"cannot lock {error.filename}: no write permission; run it as root"
        ) from None
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise NoRoomError(error.errno, path) from None
    try:
        yield
    finally:
        _release(path, fd)


@contextmanager
def _directory_held(path: Path, deadline: float, busy: str) -> Iterator[None]:
    while True:
        fd = _open_directory(path)
        if fd is None or (_try(fd) and _is_at(path, fd)):
            break
        os.close(fd)
        if time.monotonic() > deadline:
            raise BusyError(busy.format(""))
        time.sleep(_PAUSE_S)
    try:
        yield
    finally:
        if fd is not None:
            os.close(fd)


def _open_directory(path: Path) -> int | None:
    """None where there is none, or none that others could not lock as well."""
    if not _is_lockable(path):
        return None
    with suppress(FileNotFoundError):
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    return None


def _is_lockable(path: Path) -> bool:
    """Whether it is a directory of ours that no other user may open, which flock(2) needs."""
    try:
        facts = path.lstat()
    except OSError:
        return False
    is_ours = stat.S_ISDIR(facts.st_mode) and facts.st_uid in (0, os.geteuid())
    return is_ours and not facts.st_mode & (stat.S_IRGRP | stat.S_IROTH)


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
    """The file for ``what`` of a pin directory, below /run/trafficmon.

    Its name is the path with - for /, and other dashes escaped as systemd-escape(1) does: no two
    directories have one file.
    """
    escaped = str(pin_dir).replace("\\", r"\x5c").replace("-", r"\x2d").replace("/", "-")
    return RUN_DIR / f"{what}{escaped}{suffix}"


def dns_file(pin_dir: Path) -> Path:
    """Where what was learned from DNS is kept: root's alone."""
    return file_of(pin_dir, "dns", ".db")


def dns_copy(pin_dir: Path) -> Path:
    """What members of the readers' group have of it: never written to, but replaced."""
    return file_of(pin_dir, "dns", "-readers.db")


def make_run_dir() -> None:
    """Before anything is made in it."""
    RUN_DIR.mkdir(mode=_RUN_MODE, exist_ok=True)
    facts = RUN_DIR.lstat()
    if facts.st_uid == os.geteuid() and stat.S_IMODE(facts.st_mode) != _RUN_MODE:
        RUN_DIR.chmod(_RUN_MODE)  # of an older version, or an umask


def _release(path: Path, fd: int) -> None:
    with suppress(FileNotFoundError):
        path.unlink()
    os.close(fd)
    with suppress(OSError):  # not empty: others hold theirs
        RUN_DIR.rmdir()


def _acquire(path: Path, deadline: float, busy: str) -> int:
    while True:
        with suppress(FileNotFoundError):  # a leaving holder may remove the directory just now
            make_run_dir()
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            if _try(fd) and _is_at(path, fd):
                os.truncate(fd, 0)
                with suppress(OSError):  # /run is full: then the holder stays unnamed
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
        return os.path.samestat(path.lstat(), os.fstat(fd))
    except FileNotFoundError:
        return False


def _holder(path: Path) -> str:
    try:
        return f" (process {int(path.read_text(encoding='ascii'))})"
    except (OSError, ValueError):
        return ""
