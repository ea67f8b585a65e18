# SPDX-License-Identifier: MIT
"""What all kernel objects have in common: they are open, mostly by a descriptor, until closed."""

from __future__ import annotations

import errno
import os
import warnings
from contextlib import suppress
from typing import Self

from trafficmon.errors import BpfError
from trafficmon.libbpf._ffi import check, encode, lib, options

BPF_F_RDONLY = 1 << 3
_INODES = {"BPF map": "bpf-map", "BPF program": "bpf-prog", "BPF link": "bpf-link"}
"""What /proc calls descriptors of these (anon_inode_getfd() in kernel/bpf/syscall.c)."""


class Closeable:
    """Owns something of the kernel's or of libbpf's; close() or the ``with`` block gives it back.

    Not thread-safe. Using it once closed is a ValueError.
    """

    kind = "BPF object"
    name: str

    def is_open(self) -> bool:
        """Whether there is still something to give back."""
        raise NotImplementedError

    def close(self) -> None:
        """Give it back; a second time does nothing."""
        raise NotImplementedError

    def _require_open(self) -> None:
        if not self.is_open():
            raise ValueError(f"{self.kind} {self.name} is closed")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        """A safety net: code that relies on it has a leak."""
        with suppress(AttributeError):  # of one that failed while being made
            if self.is_open():
                self.close()
                message = f"{self.kind} {self.name} was not closed"
                warnings.warn(message, ResourceWarning, stacklevel=1, source=self)


class Handle(Closeable):
    """Owns a file descriptor."""

    def __init__(self, fd: int, name: str) -> None:
        self._fd = fd
        self.name = name

    @property
    def fd(self) -> int:
        """The descriptor; ValueError once closed."""
        self._require_open()
        return self._fd

    def is_open(self) -> bool:
        """Whether the descriptor is ours."""
        return self._fd >= 0

    def close(self) -> None:
        """Give the descriptor back. The kernel's object lives on while something else holds it."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def pin(self, path: str) -> None:
        """Keep the object alive under ``path`` in a BPF file system."""
        check(lib.bpf_obj_pin(self.fd, encode(path)), "pin", f"{self.kind} {self.name} at {path}")


def open_pin(path: str, what: str, *, read_only: bool = False) -> int:
    """A descriptor for the object pinned at ``path``."""
    flags = options("bpf_obj_get_opts", file_flags=BPF_F_RDONLY if read_only else 0)
    fd = check(lib.bpf_obj_get_opts(encode(path), flags), "open", f"{what} {path}")
    if not _is_of_kind(fd, what):
        os.close(fd)
        remedy = "another kind of object is pinned there"
        raise BpfError(errno.EINVAL, "open", f"{what} {path}", remedy)
    return fd


def _is_of_kind(fd: int, what: str) -> bool:
    """The kernel opens whatever is pinned, and would give a program's facts for a map's."""
    try:
        found = os.readlink(f"/proc/self/fd/{fd}")
    except OSError:  # no /proc
        return True
    name = found.removeprefix("anon_inode:").replace("_", "-")
    return name == _INODES.get(what, name)
