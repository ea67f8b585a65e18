# SPDX-License-Identifier: MIT
"""probe.bpf.c, compiled and loaded: something of every kind for the tests of trafficmon.libbpf."""

from __future__ import annotations

import itertools
import os
import platform
import shutil
import struct
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path

import build_bpf
from tests.lab import processes
from trafficmon.libbpf.object import Object, Program, Run, test_run

FRAME = bytes(64)
SOURCE = Path(__file__).with_name("probe.bpf.c")
_numbers = itertools.count()


class Counter(IntEnum):
    """enum probe_program of probe.bpf.c."""

    FIRST = 0
    SECOND = 1
    RAW_TP = 2
    TP_BTF = 3
    TP = 4
    EMITTED = 5
    NO_ROOM = 6


class LinkType(IntEnum):
    """enum bpf_link_type."""

    TRACING = 2
    CGROUP = 3
    ITER = 4
    XDP = 6
    PERF_EVENT = 7
    TCX = 11


def made_elsewhere(checkout: Path, source: Path) -> Path:
    """Where the object of ``source`` is in a checkout for a machine that has no compiler."""
    return checkout / "build" / "tests" / f"{source.stem}.o"


def compiled(folder: Path, source: Path = SOURCE) -> Path:
    """The object of ``source``, made in ``folder`` or, without a compiler, elsewhere."""
    made = made_elsewhere(build_bpf.ROOT, source)
    if made.exists() and shutil.which("clang") is None:
        return made
    target = folder / f"{source.stem}.o"
    argv = build_bpf.clang_argv(source, target, platform.machine(), build_bpf.find_toolchain())
    subprocess.run(argv, cwd=build_bpf.ROOT, check=True)
    return target


def in_a_process(*argv: str) -> subprocess.CompletedProcess[str]:
    """A program to its end, whose Python finds this checkout first, then the libraries."""
    paths = [str(build_bpf.ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return processes.check(
        subprocess.run(
            argv,
            cwd=build_bpf.ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    )


@contextmanager
def loaded(path: Path, *programs: str, sizes: Mapping[str, int] | None = None) -> Iterator[Object]:
    """The object with these programs and no others; ``sizes``: max_entries of maps."""
    with Object(path) as opened:
        opened.keep_only(*programs)
        opened.set_map_entries(sizes or {})
        opened.load()
        yield opened


def runs(opened: Object, counter: Counter) -> int:
    """How often a program ran."""
    with opened.map("runs") as counts:
        raw = counts.lookup(struct.pack("=I", counter))
    assert raw is not None
    return int.from_bytes(raw, "little")


def run(program: Program, repeat: int = 1, frame: bytes = FRAME, *, room: int = 0) -> Run:
    """Through BPF_PROG_TEST_RUN; under a name that pytest does not take for a test."""
    return test_run(program, frame, repeat, room=room)


@contextmanager
def free_pin() -> Iterator[Path]:
    """A path in the BPF file system; what is pinned there goes when the context is left."""
    path = Path(f"/sys/fs/bpf/tmprobe-{os.getpid()}-{next(_numbers)}")
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
