# SPDX-License-Identifier: MIT
"""Enumerators of the kernel's user API that trafficmon uses.

They are typed here and not taken from the C headers: those of the oldest system that trafficmon is
built on do not know the newest (tcx, Linux 6.6). The kernel never changes a number.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag


class AttachType(IntEnum):
    """enum bpf_attach_type of include/uapi/linux/bpf.h."""

    CGROUP_INET_INGRESS = 0
    CGROUP_INET_EGRESS = 1
    CGROUP_INET_SOCK_CREATE = 2
    CGROUP_SOCK_OPS = 3
    TRACE_RAW_TP = 23
    TRACE_FEXIT = 25
    TRACE_ITER = 28
    CGROUP_INET_SOCK_RELEASE = 34
    XDP = 37
    PERF_EVENT = 41
    TCX_INGRESS = 46  # Linux 6.6
    TCX_EGRESS = 47


class XdpFlag(IntFlag):
    """XDP_FLAGS_* of include/uapi/linux/if_link.h."""

    SKB_MODE = 1 << 1
    DRV_MODE = 1 << 2
    HW_MODE = 1 << 3


class ProgramType(IntEnum):
    """enum bpf_prog_type."""

    KPROBE = 2
    SCHED_CLS = 3
    TRACEPOINT = 5
    XDP = 6
    CGROUP_SKB = 8
    CGROUP_SOCK = 9
    SOCK_OPS = 13
    TRACING = 26


class MapType(IntEnum):
    """enum bpf_map_type."""

    HASH = 1
    ARRAY = 2
    PERCPU_HASH = 5
    PERCPU_ARRAY = 6
    LRU_HASH = 9
    LRU_PERCPU_HASH = 10
    PERCPU_CGROUP_STORAGE = 21
    SK_STORAGE = 24
    RINGBUF = 27


class Helper(IntEnum):
    """enum bpf_func_id; those that not all supported kernels have."""

    GET_SMP_PROCESSOR_ID = 8
    GET_CURRENT_PID_TGID = 14
    GET_CURRENT_TASK = 35
    PROBE_READ_KERNEL = 113
    JIFFIES64 = 118
    GET_CURRENT_TASK_BTF = 158
    SNPRINTF = 165
    TASK_PT_REGS = 175
    XDP_GET_BUFF_LEN = 188
    SKC_TO_MPTCP_SOCK = 196
