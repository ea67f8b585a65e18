# SPDX-License-Identifier: MIT
"""The programs that are measured against each other, each time loaded anew, with maps of its own.

empty: returns at once. plain: one lookup in a shared LRU hash per packet. ours: what attach loads.
"""

from __future__ import annotations

import itertools
import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import build_bpf
from trafficmon.attachment.programs import tc_programs, xdp_program
from trafficmon.attachment.request import DEFAULT_MAX_FLOWS
from trafficmon.attachment.store import Geometry, Store
from trafficmon.host import bpffs
from trafficmon.host.interfaces import Interface
from trafficmon.layout import NO_GROUP
from trafficmon.libbpf.link import Link, attach_tcx, attach_xdp
from trafficmon.libbpf.object import Object, Program
from trafficmon.pins import PinDirectory
from trafficmon.uapi import AttachType, XdpFlag

HOOKS = ("xdp", "tc_rx", "tc_tx")
NAMES = ("empty", "plain", "ours")
_PLAIN_SOURCE = Path(__file__).with_name("plain.bpf.c")
_TCX = {"tc_rx": AttachType.TCX_INGRESS, "tc_tx": AttachType.TCX_EGRESS}
_SLOT = 0
_numbers = itertools.count()


class Contenders:
    """Loads them. ``folder``: where to compile empty and plain to."""

    def __init__(self, folder: Path) -> None:
        self._simple = folder / "plain.bpf.o"
        argv = build_bpf.clang_argv(
            _PLAIN_SOURCE, self._simple, platform.machine(), build_bpf.find_toolchain()
        )
        subprocess.run(argv, cwd=build_bpf.ROOT, check=True)

    @contextmanager
    def loaded(self, name: str, hook: str, interface: Interface) -> Iterator[Program]:
        """One of NAMES for one of HOOKS at ``interface``; maps and pins go with the context."""
        load = _ours(hook, interface) if name == "ours" else self._load(name, hook)
        with load as program:
            yield program

    def _load(self, name: str, hook: str) -> AbstractContextManager[Program]:
        return self.named(f"{name}_{'xdp' if hook == 'xdp' else 'tc'}")

    @contextmanager
    def named(self, program_name: str) -> Iterator[Program]:
        """One of plain.bpf.c, by its name there."""
        with Object(self._simple) as loader:
            loader.keep_only(program_name)
            loader.load()
            with loader.program(program_name) as program:
                yield program


@contextmanager
def _ours(hook: str, interface: Interface) -> Iterator[Program]:
    """As attach does it, at its default sizes."""
    with _store() as store:
        if hook == "xdp":
            with xdp_program(store, interface, _SLOT, count_flows=True) as program:
                yield program
        else:
            with tc_programs(
                store, interface, _SLOT, (hook,), behind_generic_xdp=False
            ) as programs:
                yield programs[hook]


@contextmanager
def _store() -> Iterator[Store]:
    pins = PinDirectory(bpffs.STANDARD_MOUNT / f"tmbench-{os.getpid()}-{next(_numbers)}")
    bpffs.ensure(pins.root)
    try:
        with Store.create(pins, Geometry.choose(DEFAULT_MAX_FLOWS, 1), NO_GROUP) as store:
            yield store
    finally:
        for pin in pins.ours():
            pin.unlink()
        pins.remove_empty()


def attach(program: Program, hook: str, interface: Interface) -> Link:
    """To the interface, which is of the current network namespace; XDP in native mode."""
    if hook == "xdp":
        return attach_xdp(program, interface.ifindex, XdpFlag.DRV_MODE)
    return attach_tcx(program, interface.ifindex, _TCX[hook])
