# SPDX-License-Identifier: MIT
"""The hooks that there are once on a host: by layer, which programs, and where they go."""

from __future__ import annotations

from dataclasses import dataclass

from trafficmon.libbpf.link import AttachType


@dataclass(frozen=True)
class HostHook:
    """One program of an object; ``where``: on the cgroup, None: as its section says."""

    kind: str  # of pins.HOST_KINDS; its program is tm_KIND
    where: AttachType | None = None

    @property
    def program(self) -> str:
        """The program's name in its object."""
        return f"tm_{self.kind}"


@dataclass(frozen=True)
class Variant:
    """One way to have a layer: these hooks of an object, all of them."""

    mode: str
    object: str
    hooks: tuple[HostHook, ...]


CGROUP_BEFORE = Variant(
    "cgroup", "cgroup", (HostHook("sock_create", AttachType.CGROUP_INET_SOCK_CREATE),)
)
"""First: from here on every new socket has its owner."""

_CGROUP = Variant(
    "cgroup",
    "cgroup",
    (
        HostHook("sock_create", AttachType.CGROUP_INET_SOCK_CREATE),
        HostHook("sock_release", AttachType.CGROUP_INET_SOCK_RELEASE),
        HostHook("cgroup_rx", AttachType.CGROUP_INET_INGRESS),
        HostHook("cgroup_tx", AttachType.CGROUP_INET_EGRESS),
    ),
)
_SOCKETS = Variant("iterator", "sockets", (HostHook("sockets"),))
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
        HostHook("packet_sendmsg"),
        HostHook("inet_sendpage"),
        HostHook("inet_recvmsg"),
        HostHook("inet6_recvmsg"),
    ),
)
_DROPS = Variant("tracepoint", "drops", (HostHook("drop"),))

VARIANTS: dict[str, tuple[Variant, ...]] = {
    "cgroup": (_CGROUP,),
    "sockops": (_SOCKOPS,),
    "app": (_TRACEPOINTS, _FEXIT),
    "drops": (_DROPS,),
}
"""By layer, the best first."""

SOCKET_LIST = _SOCKETS
"""Comes with the cgroup layer, and counts nothing: it tells what sockets there are."""
