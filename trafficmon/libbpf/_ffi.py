# SPDX-License-Identifier: MIT
"""``ffi`` and ``lib`` of the compiled binding, strings across the border, and the error funnel."""

from __future__ import annotations

import errno
import os
import sys
from typing import Any

from trafficmon.errors import BpfError, MissingPackageError, MissingPrivilegeError, TrafficmonError

_NATIVE = "trafficmon.libbpf._native"


def _why_not(error: ImportError) -> str:
    """What stands in the way of the binding, and what helps; by the dynamic loader's own words."""
    if error.name == _NATIVE and isinstance(error, ModuleNotFoundError):
        return (
            "the compiled part of trafficmon is not built for this Python; in a checkout run "
            "'make build', else install the package again"
        )
    if error.name == "_cffi_backend":
        python = f"{sys.executable} -m pip install"
        return f"the Python package cffi is missing; install it: {python} cffi"
    if "version `LIBBPF_" in str(error) or "undefined symbol: libbpf_" in str(error):
        return (
            f"libbpf.so.1 is older than this was built for ({error}); install libbpf 1.1 or newer"
        )
    if "libbpf.so" in str(error):
        return f"libbpf is missing ({error}); install it: apt-get install libbpf1"
    return f"the compiled part of trafficmon cannot be loaded ({error}); 'make build' makes it anew"


try:
    from trafficmon.libbpf._native import ffi, lib
except ImportError as missing:
    raise MissingPackageError(_why_not(missing)) from missing

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
