# SPDX-License-Identifier: MIT
"""libbpf's version, the CPUs, and the system calls that Python lacks."""

from __future__ import annotations

import os

from trafficmon.libbpf._ffi import check, encode, ffi, lib

BPF_FS_MAGIC = 0xCAFE4A11
CGROUP2_SUPER_MAGIC = 0x63677270
_CLONE_NEWNET = 0x40000000  # include/uapi/linux/sched.h


def libbpf_version() -> str:
    """Of the libbpf that is loaded."""
    return f"{lib.libbpf_major_version()}.{lib.libbpf_minor_version()}"


def possible_cpus() -> int:
    """How many CPUs the kernel reckons with; CPU numbers lie below."""
    return check(lib.libbpf_num_possible_cpus(), "count", "CPUs")


def filesystem_type(path: str) -> int | None:
    """The magic number of the file system that ``path`` lies on; None if there is no such path."""
    found = int(lib.tm_filesystem_type(encode(path)))
    return None if found < 0 else found & 0xFFFFFFFF


def enter_network_namespace(fd: int) -> None:
    """Put this thread, and no other, into the network namespace that ``fd`` is open on."""
    if lib.setns(fd, _CLONE_NEWNET):
        check(-ffi.errno, "enter", "a network namespace")


def mount_bpffs(path: str) -> None:
    """Mount a BPF file system on the directory ``path``, closed to all but root.

    Without the option it is mode 1777 (kernel/bpf/inode.c): then all users make entries in it.
    """
    kind, mode = ffi.new("char[]", b"bpf"), ffi.new("char[]", b"mode=0700")
    if lib.mount(kind, encode(path), kind, 0, mode):
        check(-ffi.errno, "mount a BPF file system on", os.fspath(path))
