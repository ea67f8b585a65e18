# SPDX-License-Identifier: MIT
"""Links: a program attached to something, for as long as the link is held or pinned.

All kinds but clsact's filters (clsact.py) are links: they go with their last holder, so a killed
attach leaves nothing, and their program can be replaced without a gap.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import Any, Self

from trafficmon.libbpf._ffi import check, check_pointer, encode, ffi, lib, options
from trafficmon.libbpf.handle import Handle, open_pin
from trafficmon.libbpf.object import Object, Program
from trafficmon.libbpf.rawmap import RawMap
from trafficmon.uapi import AttachType, XdpFlag

BPF_F_BEFORE = 1 << 3
BPF_F_AFTER = 1 << 4


@dataclass(frozen=True)
class LinkFacts:
    """What the kernel says about a link (BPF_OBJ_GET_INFO_BY_FD).

    ``ifindex`` (XDP, tcx) and ``cgroup_id`` are 0 when the link was detached: by force, or because
    what it was on was removed (kernel/bpf/cgroup.c, bpf_cgroup_link_auto_detach(); net/core/dev.c).
    """

    type: int
    id: int
    program_id: int
    ifindex: int
    cgroup_id: int


class Link(Handle):
    """A link; while open (or pinned) the program stays attached."""

    kind = "BPF link"

    @classmethod
    def from_pin(cls, path: str) -> Self:
        """The link pinned at ``path``."""
        return cls(open_pin(path, "BPF link"), os.path.basename(path))

    def facts(self) -> LinkFacts:
        """Its type, program, and what it is on."""
        facts = ffi.new("struct tm_link_facts *")
        check(lib.tm_link_facts(self.fd, facts), "query", f"link {self.name}")
        return _facts(facts)

    def update(self, program: Program) -> None:
        """Swap the program; no packet passes between the old and the new one."""
        check(lib.bpf_link_update(self.fd, program.fd, ffi.NULL), "update", f"link {self.name}")

    def detach(self) -> None:
        """Take the program off, though others hold the link."""
        check(lib.bpf_link_detach(self.fd), "detach", f"link {self.name}")


def _facts(raw: Any) -> LinkFacts:
    return LinkFacts(raw.type, raw.id, raw.prog_id, raw.ifindex, raw.cgroup_id)


def pinned_link_facts(path: str) -> LinkFacts:
    """What the kernel says about the link pinned at ``path``, which takes write permission."""
    raw = ffi.new("struct tm_link_facts *")
    check(lib.tm_pinned_link_facts(encode(path), raw), "query", f"BPF link {path}")
    return _facts(raw)


def link_by_id(link_id: int) -> Link | None:
    """A handle on a link (needs CAP_SYS_ADMIN); None if it has ended."""
    fd = lib.bpf_link_get_fd_by_id(link_id)
    if fd == -errno.ENOENT:
        return None
    return Link(check(fd, "open", f"BPF link {link_id}"), f"id {link_id}")


def attach_xdp(program: Program, ifindex: int, mode: XdpFlag) -> Link:
    """XDP on an interface, in one mode. EBUSY: it carries a program already."""
    return _create(program, ifindex, AttachType.XDP, int(mode), f"interface {ifindex}")


def attach_tcx(program: Program, ifindex: int, where: AttachType) -> Link:
    """tcx, Linux 6.6 (e420bed02507).

    On ingress before all others, so that what they drop was counted; on egress after all others,
    so that it was not: as a capture on the interface sees it.
    """
    first = where == AttachType.TCX_INGRESS
    flags = BPF_F_BEFORE if first else BPF_F_AFTER
    return _create(program, ifindex, where, flags, f"interface {ifindex}")


def attach_cgroup(program: Program, cgroup_fd: int, where: AttachType) -> Link:
    """A program on a cgroup v2 and all below it, beside those of others."""
    return _create(program, cgroup_fd, where, 0, "cgroup")


def _create(program: Program, target: int, where: AttachType, flags: int, subject: str) -> Link:
    wanted = options("bpf_link_create_opts", flags=flags)
    fd = lib.bpf_link_create(program.fd, target, int(where), wanted)
    check(fd, f"attach {program.name} ({where.name.lower()}) to", subject)
    return Link(fd, program.name)


def attach_tracing(loaded: Object, program: str) -> Link:
    """fentry, fexit, kprobe, tracepoint, tp_btf…: as the program's section says."""
    pointer = lib.bpf_program__attach(loaded.programs()[program])
    return _take_over(check_pointer(pointer, "attach", program), program)


def attach_iterator(loaded: Object, program: str) -> Link:
    """An iterator; ``read_iterator`` runs it."""
    pointer = lib.bpf_program__attach_iter(loaded.programs()[program], ffi.NULL)
    return _take_over(check_pointer(pointer, "attach", program), program)


def attach_map_iterator(loaded: Object, program: str, over: RawMap) -> Link:
    """An iterator over the elements of one map."""
    pointer = lib.tm_attach_map_iterator(loaded.programs()[program], over.fd)
    return _take_over(check_pointer(pointer, "attach", program), program)


def _take_over(pointer: Any, name: str) -> Link:
    """A handle of our own on a libbpf link, whose bookkeeping is then given back."""
    link = Link(os.dup(lib.bpf_link__fd(pointer)), name)
    lib.bpf_link__destroy(pointer)
    return link


def read_iterator(link: Link) -> bytes:
    """All that one run of an iterator writes."""
    return _read(check(lib.bpf_iter_create(link.fd), "run", f"iterator {link.name}"))


def read_pinned_iterator(path: str) -> bytes:
    """All that a run of the iterator pinned at ``path`` writes: it is read like a file.

    OSError when it is not there, or not ours to read.
    """
    return _read(os.open(path, os.O_RDONLY | os.O_CLOEXEC))


def _read(fd: int) -> bytes:
    with os.fdopen(fd, "rb", buffering=0) as stream:
        # None is EAGAIN: a million objects passed without a word (kernel/bpf/bpf_iter.c)
        return b"".join(filter(None, iter(lambda: stream.read(1 << 16), b"")))
