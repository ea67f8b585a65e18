# SPDX-License-Identifier: MIT
"""cls_bpf filters on a clsact qdisc: what tc programs hang on before tcx (Linux 6.6).

No links: filters and qdisc outlive the process and have to be taken away by name. So attach notes
what it is about to make before it makes it.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from trafficmon.libbpf._ffi import check, lib, options
from trafficmon.libbpf.object import Program
from trafficmon.uapi import AttachType

BPF_TC_F_REPLACE = 1


class TcAttachPoint(IntEnum):
    """enum bpf_tc_attach_point."""

    INGRESS = 1
    EGRESS = 2


_BOTH = TcAttachPoint.INGRESS | TcAttachPoint.EGRESS
ATTACH_POINTS = {
    AttachType.TCX_INGRESS: TcAttachPoint.INGRESS,
    AttachType.TCX_EGRESS: TcAttachPoint.EGRESS,
}
"""Where a filter sees the packets that a tcx program sees."""


@dataclass(frozen=True)
class Filter:
    """A filter's place: interface and attach point, and among the filters there its own numbers."""

    ifindex: int
    point: TcAttachPoint
    handle: int
    priority: int

    @property
    def subject(self) -> str:
        """For messages."""
        return f"tc {self.point.name.lower()} filter of interface {self.ifindex}"

    def hook(self) -> Any:
        """struct bpf_tc_hook."""
        return options("bpf_tc_hook", ifindex=self.ifindex, attach_point=int(self.point))

    def place(self, **more: int) -> Any:
        """struct bpf_tc_opts."""
        return options("bpf_tc_opts", handle=self.handle, priority=self.priority, **more)


def make_qdisc(ifindex: int) -> bool:
    """Make sure that the interface has a clsact qdisc. True if it had none."""
    hook = options("bpf_tc_hook", ifindex=ifindex, attach_point=_BOTH)
    result = lib.bpf_tc_hook_create(hook)
    if result == -errno.EEXIST:
        return False
    check(result, "make a clsact qdisc on", f"interface {ifindex}")
    return True


def remove_qdisc(ifindex: int) -> None:
    """Remove the clsact qdisc with all its filters; quiet if it or the interface does not exist."""
    hook = options("bpf_tc_hook", ifindex=ifindex, attach_point=_BOTH)
    result = lib.bpf_tc_hook_destroy(hook)
    if result not in (-errno.ENOENT, -errno.ENODEV, -errno.EINVAL):
        check(result, "remove the clsact qdisc of", f"interface {ifindex}")


def add_filter(place: Filter, program: Program, *, replace: bool = False) -> None:
    """Attach ``program`` there; with ``replace`` in the place of what hangs there, atomically."""
    flags = BPF_TC_F_REPLACE if replace else 0
    wanted = place.place(prog_fd=program.fd, flags=flags)
    check(lib.bpf_tc_attach(place.hook(), wanted), "attach", place.subject)


def filter_program(place: Filter) -> int | None:
    """The id of the program that hangs there; None if there is no such filter."""
    found = place.place()
    result = lib.bpf_tc_query(place.hook(), found)
    if result in (-errno.ENOENT, -errno.ENODEV, -errno.EINVAL):
        return None
    check(result, "look up", place.subject)
    return int(found.prog_id)


def remove_filter(place: Filter) -> None:
    """Take the filter away; quiet if it is not there any more."""
    result = lib.bpf_tc_detach(place.hook(), place.place())
    if result not in (-errno.ENOENT, -errno.ENODEV, -errno.EINVAL):
        check(result, "remove", place.subject)
