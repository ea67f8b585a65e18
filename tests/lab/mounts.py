# SPDX-License-Identifier: MIT
"""Mounts of its own for a process of tests: a new BPF file system and an empty /run.

Those of the machine are neither needed nor changed, and what a killed test leaves goes with it.
"""

import ctypes
import os
import subprocess
from pathlib import Path

from tests.lab.requirements import LabError, require_programs, require_root

_CLONE_NEWNS = 0x00020000
_libc = ctypes.CDLL(None, use_errno=True)
BPFFS = Path("/sys/fs/bpf")
RUN = Path("/run")


def enter_own_mounts() -> None:
    """Puts this thread, and what it starts, among mounts of its own for good.

    They begin as the machine's, but with a new BPF file system and an empty /run. Raises LabError
    where the kernel does not allow it.
    """
    require_root()
    require_programs("mount", "umount")
    if _libc.unshare(_CLONE_NEWNS) != 0:
        raise LabError(f"no mount namespace can be made: {os.strerror(ctypes.get_errno())}")
    _run("mount", "--make-rslave", "/")  # nothing done here is seen outside
    while BPFFS.is_mount():
        _run("umount", "--lazy", str(BPFFS))
    _run("mount", "-t", "bpf", "bpf", str(BPFFS))
    _run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(RUN))


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"{' '.join(argv)}: {done.stderr.strip()}")
