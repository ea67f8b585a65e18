# SPDX-License-Identifier: MIT
"""The hooks that there are once on a host: by layer, which programs, and where they go."""

from __future__ import annotations

from dataclasses import dataclass

from trafficmon.libbpf import features
from trafficmon.libbpf.link import AttachType
from trafficmon.pins import CALLS, SOCKET_ITERATORS


@dataclass(frozen=True)
class HostHook:
    """One program of an object; ``where``: on the cgroup, None: as its section says.

    ``function``: of the kernel's, which it needs and not all kernels have.
    """

    kind: str  # of pins.HOST_KINDS; its program is tm_KIND
    where: AttachType | None = None
    function: str = ""

    @property
    def program(self) -> str:
        """The program's name in its object."""
        return f"tm_{self.kind}"


@dataclass(frozen=True)
class Variant:
    """One way to have a layer: these hooks of an object, all of them."""

    mode: str
    object: str
    all_hooks: tuple[HostHook, ...]

    @property
    def hooks(self) -> tuple[HostHook, ...]:
        """Those that this kernel has a place for."""
        return tuple(
            hook
            for hook in self.all_hooks
            if not hook.function or features.has_kernel_function(hook.function)
        )


_SOCK_CREATE = HostHook("sock_create", AttachType.CGROUP_INET_SOCK_CREATE)
_SOCK_RELEASE = HostHook("sock_release", AttachType.CGROUP_INET_SOCK_RELEASE)

CGROUP_BEFORE = Variant("cgroup", "cgroup", (_SOCK_CREATE,))
"""First: from here on every new socket has its owner."""

_CGROUP = Variant(
    "cgroup",
    "cgroup",
    (
        _SOCK_CREATE,
        _SOCK_RELEASE,
        HostHook("cgroup_rx", AttachType.CGROUP_INET_INGRESS),
        HostHook("cgroup_tx", AttachType.CGROUP_INET_EGRESS),
    ),
)
_STORAGE = Variant("iterator", "iter_sockets", (HostHook("sockets"),))
_FOUND = Variant(
    "iterators", "iter_sockets_fallback", tuple(HostHook(kind) for kind in SOCKET_ITERATORS)
)
_SOCKOPS = Variant("cgroup", "sockops", (HostHook("sock_ops", AttachType.CGROUP_SOCK_OPS),))
_TCP_READ = HostHook("tcp_read")
_TRACEPOINTS = Variant(
    "tracepoints", "app", (_TCP_READ, HostHook("send_length"), HostHook("receive_length"))
)
_FEXIT = Variant(
    "fexit",
    "app",
    (
        _TCP_READ,
        HostHook("inet_sendmsg"),
        HostHook("inet6_sendmsg"),
        HostHook("packet_sendmsg", function="packet_sendmsg"),
        HostHook("inet_sendpage", function="inet_sendpage"),
        HostHook("inet_recvmsg"),
        HostHook("inet6_recvmsg"),
    ),
)
# Gone since 6.5 (dc97391e6610), or of a module that is not there.
_NOT_EVERYWHERE = {"page": "inet_sendpage", "packet": "packet_sendmsg"}
_FEXIT_CALLS = Variant(
    "fexit-calls",
    "app_fallback",
    tuple(HostHook(f"called_{c}", function=_NOT_EVERYWHERE.get(c, "")) for c in CALLS),
)
_KPROBES = Variant(
    "kprobes",
    "app_fallback",
    tuple(
        HostHook(f"{at}_{c}", function=_NOT_EVERYWHERE.get(c, ""))
        for c in CALLS
        for at in ("enter", "leave")
    ),
)
_DROPS = Variant("tracepoint", "drops", (HostHook("drop"),))

VARIANTS: dict[str, tuple[Variant, ...]] = {
    "cgroup": (_CGROUP,),
    "sockops": (_SOCKOPS,),
    "app": (_TRACEPOINTS, _FEXIT, _FEXIT_CALLS, _KPROBES),
    "drops": (_DROPS,),
}
"""By layer, the best first."""

APP_MODES = ("auto", *(variant.mode for variant in VARIANTS["app"]))
BY_CALLERS = tuple(variant.mode for variant in (_FEXIT_CALLS, _KPROBES))
"""Modes of the app layer that tell the cgroup layer by a table who uses a socket."""
ON_SOCKETS = tuple(variant.mode for variant in (_TRACEPOINTS, _FEXIT))
"""Those that count on the sockets themselves."""

OLDER_SOCKETS = Variant("iterator", "iter_task_file", (HostHook("existing_sockets"),))
"""Run once, when the cgroup layer is attached: never pinned."""

MAKES_UP = Variant("cgroup", "cgroup", (_SOCK_RELEASE,))
"""Of the cgroup layer, what makes up for calls that the app layer has missed."""

NAMES = Variant("tracepoint", "names", (HostHook("renamed"), HostHook("executed")))
"""Comes with the cgroup layer, and counts nothing: it notes by what names processes go."""

SOCKET_LISTS = (_STORAGE, _FOUND)
"""Come with the cgroup layer, list sockets and count nothing. The best first; the second is for
kernels that refuse iterators over the elements of maps."""
