# SPDX-License-Identifier: MIT
"""What all kernel objects are to us: a file descriptor with one owner."""

from __future__ import annotations

import os
import warnings
from typing import Self

from trafficmon.libbpf._ffi import check, encode, lib, options

BPF_F_RDONLY = 1 << 3


class Handle:
    """Owns a file descriptor; close() or the ``with`` block gives it back. Not thread-safe."""

    kind = "BPF object"

    def __init__(self, fd: int, name: str) -> None:
        self._fd = fd
        self.name = name

    @property
    def fd(self) -> int:
        """The descriptor; ValueError once closed."""
        if self._fd < 0:
            raise ValueError(f"{self.kind} {self.name} is closed")
        return self._fd

    def close(self) -> None:
        """Give the descriptor back. The kernel's object lives on while something else holds it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def pin(self, path: str) -> None:
        """Keep the object alive under ``path`` in a BPF file system."""
        check(lib.bpf_obj_pin(self.fd, encode(path)), "pin", f"{self.kind} {self.name} at {path}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        """A net, not the way: whoever relies on it has a leak."""
        if getattr(self, "_fd", -1) >= 0:
            warnings.warn(f"{self.kind} {self.name} was not closed", ResourceWarning, stacklevel=1)
            self.close()


def open_pin(path: str, what: str, *, read_only: bool = False) -> int:
    """A descriptor for the object pinned at ``path``."""
    flags = options("bpf_obj_get_opts", file_flags=BPF_F_RDONLY if read_only else 0)
    return check(lib.bpf_obj_get_opts(encode(path), flags), "open", f"{what} {path}")
