# SPDX-License-Identifier: MIT
"""The BPF file system that pins live in."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from trafficmon.errors import TrafficmonError
from trafficmon.host import capabilities, mounts, netns
from trafficmon.libbpf.system import BPF_FS_MAGIC, filesystem_type, mount_bpffs

STANDARD_MOUNT = Path("/sys/fs/bpf")


def nearest_existing(path: Path) -> Path:
    """``path``, or the closest of its parents that exists, as far as one may look."""
    while path != path.parent and not _is_visible(path):
        path = path.parent
    return path


def _is_visible(path: Path) -> bool:
    try:
        path.stat()
    except OSError:
        return False
    return True


def is_on_bpffs(path: Path) -> bool:
    """Whether ``path`` lies (or would lie) in a BPF file system."""
    return filesystem_type(str(nearest_existing(path))) == BPF_FS_MAGIC


def ensure(path: Path) -> list[str]:
    """Make sure that ``path`` lies in a BPF file system that can be written; notes for the user.

    Mounts one at the standard place only, as anywhere else it would be a guess, and not where it
    would go when this command ends. One that is there already is used, whoever mounted it.
    """
    if is_on_bpffs(path):
        require_writable(path)
        return hidden(path)
    if STANDARD_MOUNT not in (path, *path.parents):
        raise TrafficmonError(
            f"{path} is not in a BPF file system; choose a directory under {STANDARD_MOUNT}, "
            f"or mount one there: mount -t bpf bpf {path.parent}"
        )
    if not STANDARD_MOUNT.is_dir():
        raise TrafficmonError(
            f"{STANDARD_MOUNT} does not exist; mount sysfs first: mount -t sysfs sysfs /sys"
        )
    capabilities.require(f"mount a BPF file system on {STANDARD_MOUNT}", capabilities.CAP_SYS_ADMIN)
    return _mount_here()


def require_writable(path: Path) -> None:
    """TrafficmonError where the BPF file system of ``path`` can only be read."""
    if os.statvfs(nearest_existing(path)).f_flag & os.ST_RDONLY:
        place = _mount_of(path)
        raise TrafficmonError(
            f"the BPF file system on {place} is mounted read-only; "
            f"make it writable: mount -o remount,rw {place}"
        )


def _mount_of(path: Path) -> Path:
    path = nearest_existing(path)
    return next(place for place in (path, *path.parents) if place.is_mount())


def _mount_here() -> list[str]:
    """Mount it where it lasts; the notes on that.

    Pins hold what is attached, and go with the last mount of their file system. A mount namespace
    goes with its last process. That of pid 1 (the machine's, a container's) stays; another one
    while other processes live in it, or a file system's file holds it; and what is mounted below a
    shared mount appears outside as well.
    """
    keeper = next(mounts.keepers(), None)
    is_shared = mounts.is_shared(STANDARD_MOUNT)
    if keeper is None and not is_shared and mounts.shows_processes():
        raise TrafficmonError(
            f"cannot mount a BPF file system on {STANDARD_MOUNT}: it would be unmounted, and all "
            f"programs detached, when this command and its mount namespace end; {_way_out()}"
        )
    mount_bpffs(str(STANDARD_MOUNT))
    said = [f"mounted a BPF file system on {STANDARD_MOUNT}"]
    if not is_shared and not mounts.is_ours(1):
        said.append(
            "this mount namespace is not that of pid 1: when its last process ends, everything "
            f"is detached (it is kept by {keeper})"
        )
    return said


def _way_out() -> str:
    """`ip netns exec` hides /sys/fs/bpf in a mount namespace; nsenter(1) enters the other alone."""
    here = netns.path_of(netns.inode(), netns.cookie())
    if here is not None and not here.is_relative_to("/proc"):
        return f"enter the network namespace alone, from outside: nsenter --net={here} trafficmon …"
    return (
        "use the mount namespace of pid 1, or show its BPF file system here "
        f"(containers: -v {STANDARD_MOUNT}:{STANDARD_MOUNT})"
    )


def hidden(path: Path) -> list[str]:
    """A note where another mount hides a BPF file system, with its pins, in which ``path`` was."""
    for one in mounts.mounts():
        if one.kind != "bpf" or not path.is_relative_to(one.place):
            continue
        with suppress(OSError):
            seen = one.place.stat().st_dev
            if f"{os.major(seen)}:{os.minor(seen)}" != one.device:
                note = (
                    f"another BPF file system on {one.place} is hidden by a later mount; what is "
                    f"attached through it still counts; umount {one.place} to see it"
                )
                return [note]
    return []


def why_unseen(path: Path) -> str:
    """What may hide pins that are not at ``path``, to be appended to another message; mostly ""."""
    if notes := hidden(path):
        return f"; {notes[0]}"
    if mounts.is_ours(1) or not mounts.shows_processes() or is_on_bpffs(path):
        return ""
    return f"; this mount namespace shows no BPF file system: {_way_out()}"
