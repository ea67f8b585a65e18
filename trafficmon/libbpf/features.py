# SPDX-License-Identifier: MIT
"""What this kernel can do, found by trying. Only conclusive answers are remembered."""

from __future__ import annotations

import errno
from functools import cache
from pathlib import Path

from trafficmon.libbpf._ffi import check, encode, ffi, lib, text
from trafficmon.libbpf.object import Program
from trafficmon.uapi import AttachType, Helper, MapType, ProgramType

_NO_INTERFACE = 0x7FFFFFFF


@cache
def has_map_type(kind: MapType) -> bool:
    """Whether maps of this type can be made."""
    return bool(check(lib.libbpf_probe_bpf_map_type(int(kind), ffi.NULL), "probe", kind.name))


@cache
def has_helper(program: ProgramType, helper: Helper) -> bool:
    """Whether programs of this type may call the helper."""
    return bool(check(lib.tm_has_helper(int(program), int(helper)), "probe", helper.name))


def may_read_kernel(program: ProgramType) -> bool:
    """Whether programs of this type may read the kernel's memory (not under all lockdowns)."""
    return has_helper(program, Helper.PROBE_READ_KERNEL)


def names_functions() -> bool:
    """Whether a tracing program can look up a function's name by its address (bpf_snprintf)."""
    return has_helper(ProgramType.TRACEPOINT, Helper.SNPRINTF)


def has_btf() -> bool:
    """Whether the kernel carries its own type information (CONFIG_DEBUG_INFO_BTF)."""
    return Path("/sys/kernel/btf/vmlinux").exists()


@cache
def kernel_enumerators(name: str) -> dict[str, int]:
    """The values of ``enum name`` in the running kernel, by name; empty where it has none."""
    listed = lib.tm_kernel_enumerators(encode(name))
    if listed == ffi.NULL:
        return {}
    pairs = (line.split("=") for line in text(listed).splitlines())
    numbers = {enumerator: int(value) for enumerator, value in pairs}
    lib.free(listed)
    return numbers


@cache
def has_kernel_function(name: str) -> bool:
    """Whether tracing can find the function, by the kernel's type information."""
    return bool(lib.tm_kernel_has_function(encode(name)))


@cache
def tracepoint_arguments(name: str) -> int:
    """How many arguments the tracepoint has in the running kernel; 0 where there is none."""
    return int(lib.tm_kernel_tracepoint_arguments(encode(name)))


def has_tcx(program: Program) -> bool:
    """tcx links (Linux 6.6). ``program``: any loaded tc program.

    Asked for an interface that cannot be, a kernel that knows tcx misses the interface (ENODEV),
    one that does not refuses the kind of link (EINVAL).
    """
    result = lib.bpf_link_create(program.fd, _NO_INTERFACE, int(AttachType.TCX_INGRESS), ffi.NULL)
    return bool(result == -errno.ENODEV)
