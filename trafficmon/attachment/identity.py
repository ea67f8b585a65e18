# SPDX-License-Identifier: MIT
"""Whether what is pinned under a name of ours is ours: names alone are anybody's."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from trafficmon.errors import BpfError, MissingPrivilegeError
from trafficmon.libbpf.handle import Handle, open_pin
from trafficmon.libbpf.info import program_by_id, program_facts
from trafficmon.libbpf.link import Link
from trafficmon.libbpf.object import Program
from trafficmon.libbpf.rawmap import RawMap
from trafficmon.pins import PinDirectory

_KERNEL_NAME_CHARS = 15  # BPF_OBJ_NAME_LEN, less the NUL
_TAIL = re.compile(r"(_\d+)?(_new)?$")


def is_ours(pins: PinDirectory, pin: Path, *noted_links: int) -> bool:
    """A map of the pin's name; a program of ours, of the pin's kind; a link that runs such.

    Or, whatever it runs by now, one of the ``noted_links``, which attach has made.
    """
    _, links, progs = pins.parts
    kind = _TAIL.sub("", pin.name)
    try:
        with Handle(open_pin(str(pin), "BPF object"), pin.name) as held:
            what = os.readlink(f"/proc/self/fd/{held.fd}")  # noqa: PTH115 - no path, a kind
            if pin.parent == links:
                return "link" in what and _is_link(held.fd, kind, noted_links)
            if pin.parent == progs:
                return what.endswith("bpf-prog") and _is_program(held.fd, kind)
            return what.endswith("bpf-map") and _map_name(held.fd) == kind[:_KERNEL_NAME_CHARS]
    except BpfError:
        return False


def unpin(pins: PinDirectory, pin: Path, *noted_links: int) -> bool:
    """Remove the pin, if there is one and it is of ours. Whether it was. A link is detached first.

    Without its pin alone a link counts on until the kernel has freed it, after a grace period
    (bpf_free_inode() in kernel/bpf/inode.c), and for as long as another process holds it. What
    cannot be detached (links of tracing programs, and those whose interface was removed) goes so.
    """
    with suppress(FileNotFoundError):
        if pin.exists() and is_ours(pins, pin, *noted_links):
            if pin.parent == pins.parts[1]:
                with suppress(BpfError), Link.from_pin(str(pin)) as link:
                    link.detach()
            pin.unlink()
            return True
    return False


def _map_name(fd: int) -> str:
    with RawMap(os.dup(fd), "map") as opened:
        return opened.facts().name


def _is_program(fd: int, kind: str) -> bool:
    with Program(os.dup(fd), kind) as opened:
        return _is_called(opened, kind)


def _is_called(program: Program, kind: str) -> bool:
    return program_facts(program).name.startswith(f"tm_{kind}"[:_KERNEL_NAME_CHARS])


def _is_link(fd: int, kind: str, noted: tuple[int, ...]) -> bool:
    with Link(os.dup(fd), kind) as link:
        facts = link.facts()
    if facts.id in noted:
        return True
    try:
        program = program_by_id(facts.program_id)
    except MissingPrivilegeError:  # it takes CAP_SYS_ADMIN: then the name has to do
        return True
    if program is None:
        return False
    with program:
        return _is_called(program, kind)
