# SPDX-License-Identifier: MIT
"""All layers' programs, loaded once, put on and taken off again and again.

So a way to watch is measured within milliseconds of another one, between the same sockets, on the
same interface: what else slows the machine down meets both.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.bench.contenders import Contenders, attach
from tests.kernel.program import attached
from tests.lab.veth import Endpoint
from trafficmon.hook_registry import HOST_HOOKS, INTERFACE_HOOKS
from trafficmon.host.interfaces import all_interfaces
from trafficmon.libbpf._ffi import check, lib, options
from trafficmon.libbpf.link import Link, attach_cgroup
from trafficmon.libbpf.object import Program
from trafficmon.pins import PinDirectory, is_there

_SLOT = 0
PASSED = ("tc_rx", "cgroup_rx", "send_length", "receive_length")
"""Those that a datagram to a watched receiver comes by."""


class Place:
    """Where programs are put: an interface, and a cgroup."""

    def __init__(self, end: Endpoint, cgroup: Path, stack: ExitStack) -> None:
        self.end, self.cgroup = end, cgroup
        self._folder = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY)
        stack.callback(os.close, self._folder)
        with end.namespace.inside():
            self._interface = all_interfaces()[end.interface]

    def put(self, kind: str, program: Program) -> Link:
        """``program`` at its hook; the current network namespace is the interface's."""
        if kind in INTERFACE_HOOKS:
            return attach(program, kind, self._interface)
        hook = HOST_HOOKS[kind]
        if hook.is_on_cgroup:
            return attach_cgroup(program, self._folder, hook.attach_type)
        fd = lib.bpf_link_create(program.fd, 0, hook.attach_type, options("bpf_link_create_opts"))
        return Link(check(fd, "attach", kind), kind)


class Hooks:
    """Programs by the kind of their hook, held open, for one place."""

    def __init__(self, place: Place, programs: dict[str, Program]) -> None:
        self._place, self._programs = place, programs
        self.kinds = tuple(programs)

    @contextmanager
    def attached(self, *only: str) -> Iterator[None]:
        """All of them, or of these kinds."""
        with self._place.end.namespace.inside(), ExitStack() as stack:
            for kind in only or self.kinds:
                stack.enter_context(self._place.put(kind, self._programs[kind]))
            yield


def empty_hooks(place: Place, contenders: Contenders, stack: ExitStack) -> Hooks:
    """Programs that do nothing at the hooks that a datagram comes by."""
    loaded = {
        kind: stack.enter_context(contenders.named(f"empty_{kind.replace('tc_rx', 'tc')}"))
        for kind in PASSED
    }
    return Hooks(place, loaded)


def our_hooks(place: Place, stack: ExitStack) -> Hooks:
    """What attach has loaded for all layers; its pins are gone, and its maps go with it."""
    end = place.end
    with attached(end.namespace, end.interface, options=("--cgroup", str(place.cgroup))) as program:
        pins = PinDirectory(program.pin_dir)
        places = {kind: pins.program(kind, _SLOT) for kind in INTERFACE_HOOKS}
        places |= {kind: pins.host_program(kind) for kind in HOST_HOOKS if kind != "sockets"}
        loaded = {
            kind: stack.enter_context(Program.from_pin(str(pin)))
            for kind, pin in places.items()
            if is_there(pin)
        }
    return Hooks(place, loaded)
