# SPDX-License-Identifier: MIT
"""Who could have put something at a path: only root and this process's own user may have.

A BPF file system is often mode 1777, and then everybody can make directories and symbolic links in
it. What root would read, change or remove by such a path is chosen by whoever made it. So each
directory on the way is looked at from "/" down. Once all of them belong to root or to us, and
no other user may write to them, none can change what the path means: no race is left.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trafficmon.errors import TrafficmonError, UsageError

_WRITABLE = stat.S_IWGRP | stat.S_IWOTH
_MOST_LINKS = 40  # as the kernel: MAXSYMLINKS


class NotOursError(TrafficmonError):
    """Somebody else could have put there, or could change, what is at a path."""


def resolve(path: Path) -> Path:
    """``path`` in absolute form, so that one directory has one name.

    A symbolic link is followed only if no one but root and us could have made it: UsageError.
    """
    links = 0
    found = Path("/")
    parts = list(reversed(Path(os.path.abspath(path)).parts[1:]))  # noqa: PTH100 - not resolve()
    while parts:
        part = parts.pop()
        step = found.parent if part == ".." else found / part
        target = _target(step)
        if target is None:
            found = step
            continue
        links += 1
        if links > _MOST_LINKS or not _is_trusted_entry(step):
            raise UsageError(
                f"{step} is a symbolic link that {_whose(step.lstat())} made; name the directory "
                "itself"
            )
        parts += reversed([part for part in target.parts if part != "/"])
        found = Path("/") if target.is_absolute() else found
    return found


def _target(path: Path) -> Path | None:
    """Where a symbolic link leads; None for what is none, or not there, or not ours to look at."""
    try:
        return path.readlink()
    except OSError:
        return None


def _is_trusted_entry(path: Path) -> bool:
    """Whether the entry itself, and the directory that it is in, are root's or ours."""
    return _is_ours(path.lstat()) and _why_not_a_way(path.parent.lstat()) is None


def require_ours(directory: Path) -> None:
    """NotOursError unless ``directory`` is root's or ours, and all that it lies in can be trusted.

    A parent may be writable by all where it is sticky, as /tmp is: there an entry can be renamed
    or removed by its owner only, and each entry on the way is looked at.
    """
    for parent in reversed(directory.parents):
        if reason := _why_not_a_way(parent.lstat()):
            raise NotOursError(_refusal(directory, parent, reason))
    require_plain(directory)


def require_plain(directory: Path) -> None:
    """NotOursError unless this entry is a directory of root's or ours that only we may write to.

    The directory that it lies in was looked at before. OSError when it is not there.
    """
    facts = directory.lstat()
    if stat.S_ISLNK(facts.st_mode):
        reason = "it is a symbolic link"
    elif not stat.S_ISDIR(facts.st_mode):
        reason = "it is not a directory"
    elif not _is_ours(facts):
        reason = f"it belongs to {_whose(facts)}"
    elif facts.st_mode & _WRITABLE:
        reason = f"others may write to it (mode {stat.S_IMODE(facts.st_mode):04o})"
    else:
        return
    raise NotOursError(_refusal(directory, directory, reason))


def foreign_entries(directory: Path) -> Iterator[tuple[Path, str]]:
    """Entries of ``directory`` that others have made or may change, and why not to trust them."""
    with os.scandir(directory) as entries:
        for entry in sorted(entries, key=lambda one: one.name):
            facts = entry.stat(follow_symlinks=False)
            if stat.S_ISLNK(facts.st_mode):
                yield Path(entry.path), "it is a symbolic link"
            elif not _is_ours(facts):
                yield Path(entry.path), f"it belongs to {_whose(facts)}"
            elif facts.st_mode & _WRITABLE:
                yield Path(entry.path), f"others may write to it ({facts.st_mode & 0o7777:04o})"


def require_own_file(fd: int, path: Path) -> None:
    """NotOursError for a regular file that belongs to another user, who could read it."""
    facts = os.fstat(fd)
    if stat.S_ISREG(facts.st_mode) and not _is_ours(facts):
        raise NotOursError(f"{path} belongs to {_whose(facts)}; name another file, or remove it")


@contextmanager
def opened(directory: Path) -> Iterator[int]:
    """A descriptor for ``directory`` itself, never for where a symbolic link of its name leads."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def give(name: str, directory_fd: int, group: int, mode: int) -> None:
    """Set group and mode of an entry of an open directory; a symbolic link is an error (ELOOP).

    By a descriptor: chmod(2) has no way to leave links alone before Linux 6.6 (fchmodat2).
    """
    flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(name, flags, dir_fd=directory_fd)
    try:
        if stat.S_ISLNK(os.fstat(fd).st_mode):
            raise NotOursError(f"{name} is a symbolic link; remove it, or use another --pin-dir")
        os.chown(f"/proc/self/fd/{fd}", -1, group)
        os.chmod(f"/proc/self/fd/{fd}", mode)  # noqa: PTH101 - a descriptor has no Path
    finally:
        os.close(fd)


def _is_ours(facts: os.stat_result) -> bool:
    return facts.st_uid in (0, os.geteuid())


def _why_not_a_way(facts: os.stat_result) -> str | None:
    if stat.S_ISLNK(facts.st_mode):
        return "it is a symbolic link"
    if not _is_ours(facts):
        return f"it belongs to {_whose(facts)}"
    if facts.st_mode & _WRITABLE and not facts.st_mode & stat.S_ISVTX:
        return f"others may rename what is in it (mode {stat.S_IMODE(facts.st_mode):04o})"
    return None


def _whose(facts: os.stat_result) -> str:
    try:
        return f"user {pwd.getpwuid(facts.st_uid).pw_name}"
    except KeyError:
        return f"uid {facts.st_uid}"


def _refusal(requested: Path, at_fault: Path, reason: str) -> str:
    what = f"{at_fault} cannot be trusted: {reason}"
    if at_fault == requested:
        return f"{what}; remove it, or choose another --pin-dir"
    return f"{what}; choose a --pin-dir that does not lie in it"
