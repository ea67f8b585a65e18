# SPDX-License-Identifier: MIT
"""Others' programs on an interface: trafficmon has to leave them alone."""

from __future__ import annotations

import itertools
import os
import struct
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from tests.kernel import probe
from tests.lab.veth import Endpoint
from trafficmon.host import netns
from trafficmon.libbpf.link import Link, attach_tcx, attach_xdp
from trafficmon.libbpf.object import Object, Program
from trafficmon.uapi import AttachType, XdpFlag

KINDS = ("xdp", "tcx", "filter")
"""The order is that of enum foreign_program in foreign.bpf.c."""

_SOURCE = Path(__file__).with_name("foreign.bpf.c")
_numbers = itertools.count()


class Foreign:
    """Programs of ``kinds`` on ``end``, running until the context is left.

    xdp is native; tcx and the clsact filter are on ingress, the filter made by tc(8).
    """

    def __init__(self, end: Endpoint, *kinds: str) -> None:
        self.end = end
        self.kinds = kinds
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            loader = stack.enter_context(Object(_compiled(stack)))
            loader.load()
            self._runs = stack.enter_context(loader.map("foreign_runs"))
            for kind in self.kinds:
                self._attach(stack, loader, kind)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def runs(self) -> dict[str, int]:
        """How often each of the programs ran."""
        counts = {}
        for kind in self.kinds:
            raw = self._runs.lookup(struct.pack("=I", KINDS.index(kind)))
            assert raw is not None
            counts[kind] = int(struct.unpack("=Q", raw)[0])
        return counts

    def _attach(self, stack: ExitStack, loader: Object, kind: str) -> None:
        program = stack.enter_context(loader.program(f"foreign_{kind}"))
        with self.end.namespace.inside():
            ifindex = netns.ifindex_of(self.end.interface)
            assert ifindex is not None
            if kind == "xdp":
                stack.enter_context(attach_xdp(program, ifindex, XdpFlag.DRV_MODE))
            elif kind == "tcx":
                stack.enter_context(attach_tcx(program, ifindex, AttachType.TCX_INGRESS))
        if kind == "filter":
            pin = Path(f"/sys/fs/bpf/tmforeign-{os.getpid()}-{next(_numbers)}")
            program.pin(str(pin))
            try:
                dev = ["dev", self.end.interface]
                run = self.end.namespace.run
                run(["tc", "qdisc", "add", *dev, "clsact"])
                stack.callback(run, ["tc", "qdisc", "delete", *dev, "clsact"])
                how = ["prio", "7", "bpf", "direct-action", "object-pinned", str(pin)]
                run(["tc", "filter", "add", *dev, "ingress", *how])
            finally:
                pin.unlink()


@contextmanager
def pinned_program(kind: str) -> Iterator[Path]:
    """One of the programs, loaded and pinned while inside."""
    pin = Path(f"/sys/fs/bpf/tmforeign-{os.getpid()}-{next(_numbers)}")
    with ExitStack() as stack:
        loader = stack.enter_context(Object(_compiled(stack)))
        loader.load()
        stack.enter_context(loader.program(f"foreign_{kind}")).pin(str(pin))
        stack.callback(pin.unlink)
        yield pin


def given_another_program(link: Path, kind: str) -> None:
    """The link pinned there runs another's program from now on."""
    with (
        pinned_program(kind) as pin,
        Link.from_pin(str(link)) as ours,
        Program.from_pin(str(pin)) as theirs,
    ):
        ours.update(theirs)


@contextmanager
def program(name: str) -> Iterator[Program]:
    """One of foreign.bpf.c, loaded and nowhere attached."""
    with ExitStack() as stack, Object(_compiled(stack)) as loader:
        loader.load()
        with loader.program(name) as made:
            yield made


def _compiled(stack: ExitStack) -> Path:
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tmforeign-"))
    return probe.compiled(Path(folder), _SOURCE)
