# SPDX-License-Identifier: MIT
"""What this kernel can do, found by trying. Only conclusive answers are remembered."""

from __future__ import annotations

import errno
from enum import IntEnum
from functools import cache
from pathlib import Path

from trafficmon.libbpf._ffi import check, encode, ffi, lib, text
from trafficmon.libbpf.link import AttachType
from trafficmon.libbpf.object import Program

_NO_INTERFACE = 0x7FFFFFFF


class ProgramType(IntEnum):
    """enum bpf_prog_type; those we use."""

    KPROBE = 2
    SCHED_CLS = 3
    TRACEPOINT = 5
    XDP = 6
    CGROUP_SKB = 8
    CGROUP_SOCK = 9
    SOCK_OPS = 13
    TRACING = 26


class MapType(IntEnum):
    """enum bpf_map_type; those we use."""

    HASH = 1
    ARRAY = 2
    LRU_HASH = 9
    SK_STORAGE = 24
    RINGBUF = 27


class Helper(IntEnum):
    """enum bpf_func_id; those that not all our kernels have."""

    GET_SMP_PROCESSOR_ID = 8
    GET_CURRENT_PID_TGID = 14
    GET_CURRENT_TASK = 35
    PROBE_READ_KERNEL = 113
    JIFFIES64 = 118
    GET_CURRENT_TASK_BTF = 158
    TASK_PT_REGS = 175
    SNPRINTF = 165
    XDP_GET_BUFF_LEN = 188
    SKC_TO_MPTCP_SOCK = 196


@cache
def has_program_type(kind: ProgramType) -> bool:
    """Whether programs of this type load."""
    return bool(check(lib.libbpf_probe_bpf_prog_type(int(kind), ffi.NULL), "probe", kind.name))


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
    """Whether a tracing program can ask for a function's name by its address (bpf_snprintf)."""
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
