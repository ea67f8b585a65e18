# SPDX-License-Identifier: MIT
"""The BPF file system that pins live in."""

from __future__ import annotations

from pathlib import Path

from trafficmon.errors import TrafficmonError
from trafficmon.host import capabilities
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


def ensure(path: Path) -> bool:
    """Make sure that ``path`` lies in a BPF file system. True if one had to be mounted.

    Mounts at the standard place only: anywhere else it would be a guess.
    """
    if is_on_bpffs(path):
        return False
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
    mount_bpffs(str(STANDARD_MOUNT))
    return True
