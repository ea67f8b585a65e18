# SPDX-License-Identifier: MIT
"""``ffi`` and ``lib`` of the compiled binding, strings across the border, and the error funnel."""

from __future__ import annotations

import errno
import os
from typing import Any

from trafficmon.errors import BpfError, MissingPrivilegeError, TrafficmonError

try:
    from trafficmon.libbpf._native import ffi, lib
except ImportError as missing:  # built by `make install`, or libbpf.so.1 is not there
    raise TrafficmonError(
        f"the compiled part of trafficmon cannot be loaded ({missing}); "
        "install libbpf (apt-get install libbpf1) and build with 'make install'"
    ) from missing

__all__ = ["check", "check_pointer", "encode", "ffi", "lib", "options", "text"]


def encode(path: str | os.PathLike[str]) -> bytes:
    """A path or name as C wants it."""
    return os.fsencode(path)


def text(pointer: Any) -> str:
    """A C string, or a char array of one, as str."""
    return ffi.string(pointer).decode(errors="replace")  # type: ignore[no-any-return]


def options(name: str, **members: Any) -> Any:
    """A LIBBPF_OPTS structure: zeroed, its size set, then ``members``."""
    made = ffi.new(f"struct {name} *")
    made.sz = ffi.sizeof(f"struct {name}")
    for member, value in members.items():
        setattr(made, member, value)
    return made


def check(result: int, operation: str, subject: str) -> int:
    """``result`` if it is no error; else the exception for -errno."""
    if result >= 0:
        return result
    raise _error(-result, operation, subject)


def check_pointer(pointer: Any, operation: str, subject: str) -> Any:
    """``pointer`` if it is not NULL; else the exception for errno."""
    if pointer != ffi.NULL:
        return pointer
    raise _error(ffi.errno, operation, subject)


def _error(number: int, operation: str, subject: str) -> TrafficmonError:
    if number in (errno.EPERM, errno.EACCES):
        return MissingPrivilegeError(f"no permission to {operation} {subject}; {_way_out()}")
    return BpfError(number, operation, subject)


def _way_out() -> str:
    if os.geteuid() == 0:
        return (
            "this is root already, so CAP_BPF, CAP_NET_ADMIN or CAP_PERFMON was taken from it "
            "(a container?), or the kernel does not allow it (lockdown, a security module)"
        )
    return (
        "run as root (CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON), or to read as a member of the group "
        "given to 'attach --group'"
    )
