# SPDX-License-Identifier: MIT
"""What the kernel knows about loaded programs, and which XDP program an interface carries."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from trafficmon.libbpf._ffi import check, ffi, lib, text
from trafficmon.libbpf.object import Program
from trafficmon.uapi import AttachType

_MOST_TCX_PROGRAMS = 64  # BPF_MPROG_MAX, include/linux/bpf_mprog.h


@dataclass(frozen=True)
class ProgramFacts:
    """A program. The run counters stand still unless the kernel's statistics are on.

    ``missed_runs`` are counted always (Linux 5.12, 9ed9e9ba2337): the kernel does not begin a
    tracing program on a CPU where it is in the middle of it.
    """

    id: int
    type: int
    name: str
    run_count: int
    run_time_ns: int
    missed_runs: int
    jited_bytes: int
    tag: bytes  # a hash of the instructions


def program_facts(program: Program) -> ProgramFacts:
    """What the kernel says about ``program``."""
    info = ffi.new("struct bpf_prog_info *")
    size = ffi.new("uint32_t *", ffi.sizeof("struct bpf_prog_info"))
    check(lib.bpf_obj_get_info_by_fd(program.fd, info, size), "query", program.name)
    return ProgramFacts(
        info.id,
        info.type,
        text(info.name),
        info.run_cnt,
        info.run_time_ns,
        info.recursion_misses,
        info.jited_prog_len,
        bytes(info.tag),
    )


def program_by_id(program_id: int) -> Program | None:
    """A handle on a loaded program (needs CAP_SYS_ADMIN); None if it has ended."""
    fd = lib.bpf_prog_get_fd_by_id(program_id)
    if fd == -errno.ENOENT:
        return None
    return Program(check(fd, "open", f"BPF program {program_id}"), f"id {program_id}")


def xdp_program(ifindex: int) -> int | None:
    """The id of the XDP program on an interface, in whatever mode; None where there is none."""
    found = ffi.new("uint32_t *")
    check(lib.bpf_xdp_query_id(ifindex, 0, found), "query XDP on", f"interface {ifindex}")
    return int(found[0]) or None


def tcx_programs(ifindex: int, where: AttachType) -> tuple[int, ...]:
    """The ids of the tcx programs on one side of an interface, in the order in which they run.

    Needs CAP_NET_ADMIN; nothing where the kernel has no tcx (before 6.6), or no such interface.
    """
    count = ffi.new("uint32_t *", _MOST_TCX_PROGRAMS)
    ids = ffi.new("uint32_t[]", _MOST_TCX_PROGRAMS)
    result = lib.bpf_prog_query(ifindex, int(where), 0, ffi.NULL, ids, count)
    if result in (-errno.EINVAL, -errno.ENOENT, -errno.ENODEV):
        return ()
    check(result, "list the tcx programs of", f"interface {ifindex}")
    return tuple(ids[place] for place in range(count[0]))


def statistics_are_on() -> bool:
    """Whether sysctl kernel.bpf_stats_enabled is set."""
    try:
        with open("/proc/sys/kernel/bpf_stats_enabled", encoding="ascii") as setting:
            return setting.read().strip() == "1"
    except OSError:
        return False
