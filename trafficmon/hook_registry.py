# SPDX-License-Identifier: MIT
"""The registry of hooks: each program of trafficmon, and where in the kernel it is attached.

Pins, attach, `status`, `doctor`, the commands that load programs of their own, the benchmarks and
docs/hooks.md derive from it. Pure data: what the running kernel has of it, attachment/ finds out.
"""

from __future__ import annotations

from typing import NamedTuple

from trafficmon.uapi import AttachType

# name, layer, object, section, modes, attach type, kernel function (? not in all kernels), since
_AT_INTERFACES = """
xdp              xdp     xdp                   xdp                         native,generic,offload XDP                      bpf_prog_run_xdp            5.9
tc_rx            tc      tc                    tc                          tcx,clsact             TCX_INGRESS              sch_handle_ingress          4.5
tc_tx            tc      tc                    tc                          tcx,clsact             TCX_EGRESS               sch_handle_egress           4.5
"""  # noqa: E501 - a table: one line is one hook
"""In the order of tm_interface.hooks in bpf/wire.h."""

_ON_HOST = """
sock_create      cgroup  cgroup                cgroup/sock_create          cgroup                 CGROUP_INET_SOCK_CREATE  inet_create                 5.7
sock_release     cgroup  cgroup                cgroup/sock_release         cgroup                 CGROUP_INET_SOCK_RELEASE inet_release                5.9
cgroup_rx        cgroup  cgroup                cgroup_skb/ingress          cgroup                 CGROUP_INET_INGRESS      sk_filter_trim_cap          5.7
cgroup_tx        cgroup  cgroup                cgroup_skb/egress           cgroup                 CGROUP_INET_EGRESS       ip_finish_output            5.7
sockets          cgroup  iter_sockets          iter/bpf_sk_storage_map     iterator               TRACE_ITER               bpf_sk_storage_map_seq_show 5.9
sockets_tcp      cgroup  iter_sockets_fallback iter/tcp                    iterator               TRACE_ITER               bpf_iter_tcp_seq_show       5.9
sockets_udp      cgroup  iter_sockets_fallback iter/udp                    iterator               TRACE_ITER               bpf_iter_udp_seq_show       5.9
renamed          cgroup  names                 tp_btf/task_rename          tracepoint             TRACE_RAW_TP             __set_task_comm             5.5
executed         cgroup  names                 tp_btf/sched_process_exec   tracepoint             TRACE_RAW_TP             exec_binprm                 5.5
sock_ops         sockops sockops               sockops                     cgroup                 CGROUP_SOCK_OPS          tcp_call_bpf                5.7
tcp_read         app     app                   tp_btf/tcp_rcv_space_adjust tracepoint             TRACE_RAW_TP             tcp_rcv_space_adjust        5.11
send_length      app     app                   tp_btf/sock_send_length     tracepoint             TRACE_RAW_TP             sock_sendmsg_nosec          6.3
receive_length   app     app                   tp_btf/sock_recv_length     tracepoint             TRACE_RAW_TP             sock_recvmsg_nosec          6.3
inet_sendmsg     app     app                   fexit/inet_sendmsg          fexit                  TRACE_FEXIT              inet_sendmsg                5.11
inet6_sendmsg    app     app                   fexit/inet6_sendmsg         fexit                  TRACE_FEXIT              inet6_sendmsg               5.11
packet_sendmsg   app     app                   fexit/packet_sendmsg        fexit                  TRACE_FEXIT              packet_sendmsg?             5.11
inet_sendpage    app     app                   fexit/inet_sendpage         fexit                  TRACE_FEXIT              inet_sendpage?              5.11
inet_recvmsg     app     app                   fexit/inet_recvmsg          fexit                  TRACE_FEXIT              inet_recvmsg                5.11
inet6_recvmsg    app     app                   fexit/inet6_recvmsg         fexit                  TRACE_FEXIT              inet6_recvmsg               5.11
called_send      app     app_fallback          fexit/inet_sendmsg          fexit-calls            TRACE_FEXIT              inet_sendmsg                5.7
called_send6     app     app_fallback          fexit/inet6_sendmsg         fexit-calls            TRACE_FEXIT              inet6_sendmsg               5.7
called_packet    app     app_fallback          fexit/packet_sendmsg        fexit-calls            TRACE_FEXIT              packet_sendmsg?             5.7
called_page      app     app_fallback          fexit/inet_sendpage         fexit-calls            TRACE_FEXIT              inet_sendpage?              5.7
called_receive   app     app_fallback          fexit/inet_recvmsg          fexit-calls            TRACE_FEXIT              inet_recvmsg                5.7
called_receive6  app     app_fallback          fexit/inet6_recvmsg         fexit-calls            TRACE_FEXIT              inet6_recvmsg               5.7
called_splice    app     app_fallback          fexit/tcp_splice_read       fexit-calls            TRACE_FEXIT              tcp_splice_read             5.7
enter_send       app     app_fallback          kprobe/inet_sendmsg         kprobes                PERF_EVENT               inet_sendmsg                5.15
leave_send       app     app_fallback          kretprobe/inet_sendmsg      kprobes                PERF_EVENT               inet_sendmsg                5.15
enter_send6      app     app_fallback          kprobe/inet6_sendmsg        kprobes                PERF_EVENT               inet6_sendmsg               5.15
leave_send6      app     app_fallback          kretprobe/inet6_sendmsg     kprobes                PERF_EVENT               inet6_sendmsg               5.15
enter_packet     app     app_fallback          kprobe/packet_sendmsg       kprobes                PERF_EVENT               packet_sendmsg?             5.15
leave_packet     app     app_fallback          kretprobe/packet_sendmsg    kprobes                PERF_EVENT               packet_sendmsg?             5.15
enter_page       app     app_fallback          kprobe/inet_sendpage        kprobes                PERF_EVENT               inet_sendpage?              5.15
leave_page       app     app_fallback          kretprobe/inet_sendpage     kprobes                PERF_EVENT               inet_sendpage?              5.15
enter_receive    app     app_fallback          kprobe/inet_recvmsg         kprobes                PERF_EVENT               inet_recvmsg                5.15
leave_receive    app     app_fallback          kretprobe/inet_recvmsg      kprobes                PERF_EVENT               inet_recvmsg                5.15
enter_receive6   app     app_fallback          kprobe/inet6_recvmsg        kprobes                PERF_EVENT               inet6_recvmsg               5.15
leave_receive6   app     app_fallback          kretprobe/inet6_recvmsg     kprobes                PERF_EVENT               inet6_recvmsg               5.15
enter_splice     app     app_fallback          kprobe/tcp_splice_read      kprobes                PERF_EVENT               tcp_splice_read             5.15
leave_splice     app     app_fallback          kretprobe/tcp_splice_read   kprobes                PERF_EVENT               tcp_splice_read             5.15
drop             drops   drops                 tp_btf/kfree_skb            tracepoint             TRACE_RAW_TP             kfree_skb                   5.5
"""  # noqa: E501
"""In the order of tm_meta.host_hooks in bpf/wire.h, so a new one comes last."""

_OTHERS = """
sockets          cgroup  iter_sockets_fallback iter/task_file              iterator               TRACE_ITER               task_file_seq_show          5.9
existing_sockets cgroup  iter_task_file        iter/task_file              iterator               TRACE_ITER               task_file_seq_show          5.8
capture_rx       capture capture               tc                          tcx,clsact             TCX_INGRESS              sch_handle_ingress          4.5
capture_tx       capture capture               tc                          tcx,clsact             TCX_EGRESS               sch_handle_egress           4.5
log_rx           log     userlog               cgroup_skb/ingress          cgroup                 CGROUP_INET_INGRESS      sk_filter_trim_cap          5.7
log_tx           log     userlog               cgroup_skb/egress           cgroup                 CGROUP_INET_EGRESS       ip_finish_output            5.7
"""  # noqa: E501
"""`sockets` for kernels that refuse the one above; an iterator that attach runs once; what is
attached for as long as `capture` or `log` lasts. (tm_clock of tc is attached nowhere: attach runs
it by BPF_PROG_TEST_RUN.)"""


class Hook(NamedTuple):
    """One program, and where it is attached.

    ``modes``: how it may be attached, the first that works; ``section``: of the program in its
    object; ``since``: the first kernel that has it in the last of its modes.
    """

    name: str  # of its pins, and in `status`
    layer: str  # for programs of a command alone: the command
    object: str
    section: str
    modes: tuple[str, ...]
    attach_type: AttachType
    kernel_function: str  # that runs it
    since: str
    is_in_all_kernels: bool  # whether all kernels have kernel_function

    @classmethod
    def of_line(cls, line: str) -> Hook:
        """A line of the table."""
        name, layer, obj, section, modes, attach_type, function, since = line.split()
        return cls(
            name,
            layer,
            obj,
            section,
            tuple(modes.split(",")),
            AttachType[attach_type],
            function.removesuffix("?"),
            since,
            is_in_all_kernels=not function.endswith("?"),
        )

    @property
    def program(self) -> str:
        """The program's name in its object."""
        return "tm_xdp_rx" if self.name == "xdp" else f"tm_{self.name}"

    @property
    def mode(self) -> str:
        """How it is attached, of a hook that has one mode."""
        return self.modes[0]

    @property
    def is_on_cgroup(self) -> bool:
        """Whether it is attached to a cgroup. Of the others on a host the section says to what."""
        return self.mode == "cgroup"


class Variant(NamedTuple):
    """A layer in one mode: these hooks of one object, all of them or none."""

    object: str
    mode: str
    since: str
    hooks: tuple[Hook, ...]


def _hooks(block: str) -> dict[str, Hook]:
    return {hook.name: hook for hook in map(Hook.of_line, block.strip().splitlines())}


INTERFACE_HOOKS = _hooks(_AT_INTERFACES)
HOST_HOOKS = _hooks(_ON_HOST)
INTERFACE_KINDS, HOST_KINDS = tuple(INTERFACE_HOOKS), tuple(HOST_HOOKS)
"""Their names; the place of each is that of its record."""

HOOKS = (*INTERFACE_HOOKS.values(), *HOST_HOOKS.values(), *_hooks(_OTHERS).values())

OBJECTS = tuple(dict.fromkeys(hook.object for hook in HOOKS))
"""All compiled objects that are shipped, by the names of their files."""

SOCKET_ITERATORS = ("sockets", "sockets_tcp", "sockets_udp")
"""They list sockets and count nothing: the first alone, or all of them."""


def hooks_of(obj: str, *modes: str) -> tuple[Hook, ...]:
    """The hooks of an object; with ``modes``: those that are attached in one of them."""
    return tuple(h for h in HOOKS if h.object == obj and (not modes or h.mode in modes))


def _variant(obj: str, mode: str, since: str, *modes: str) -> Variant:
    return Variant(obj, mode, since, hooks_of(obj, *modes))


CGROUP = _variant("cgroup", "cgroup", "5.10")
NEW_SOCKETS = CGROUP._replace(hooks=(HOST_HOOKS["sock_create"],))
"""Attached first: from then on every new socket has its owner."""

CLOSED_SOCKETS = CGROUP._replace(hooks=(HOST_HOOKS["sock_release"],))
"""They add the bytes of calls that the app layer has missed."""

TRACEPOINTS = _variant("app", "tracepoints", "6.3", "tracepoint")
_FEXIT_HOOKS = (HOST_HOOKS["tcp_read"], *hooks_of("app", "fexit"))
FEXIT = Variant("app", "fexit", "5.11", _FEXIT_HOOKS)
FEXIT_CALLS = _variant("app_fallback", "fexit-calls", "5.7", "fexit-calls")
KPROBES = _variant("app_fallback", "kprobes", "5.15", "kprobes")

LAYERS: dict[str, tuple[Variant, ...]] = {
    "cgroup": (CGROUP,),
    "sockops": (_variant("sockops", "cgroup", "5.10"),),
    "app": (TRACEPOINTS, FEXIT, FEXIT_CALLS, KPROBES),
    "drops": (_variant("drops", "tracepoint", "5.5"),),
}
"""Layers of the host: the best variant first, each the fallback of the one before it."""

APP_MODES = tuple(variant.mode for variant in LAYERS["app"])
ON_SOCKETS = (TRACEPOINTS.mode, FEXIT.mode)
"""Modes of the app layer that count on the sockets themselves."""

BY_CALLERS = (FEXIT_CALLS.mode, KPROBES.mode)
"""Those that note the last user of a socket in a table, which the cgroup layer then looks up."""

PROCESS_NAMES = _variant("names", "tracepoint", "5.5")
"""Comes with the cgroup layer and counts nothing: it notes the names of processes."""

SOCKET_LISTS = (
    _variant("iter_sockets", "iterator", "5.9"),
    _variant("iter_sockets_fallback", "iterators", "5.9"),
)
"""Come with the cgroup layer and count nothing. The best first; the second is for kernels that
refuse iterators over the elements of maps."""

EXISTING_SOCKETS = _variant("iter_task_file", "iterator", "5.11")
"""Run once, when the cgroup layer is attached: never pinned."""
