# SPDX-License-Identifier: MIT
"""Running `trafficmon` in all ways in which it may be attached; what it says when it fails."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.kernel.program import PATIENCE_S, Program, within
from tests.lab import raw
from tests.lab.cgroup import own_cgroup
from tests.lab.lab import Lab
from tests.lab.namespace import Namespace
from trafficmon.host.lock import file_of
from trafficmon.libbpf.map import Map
from trafficmon.records import FIRST_KEY

WAYS = {
    "tcx": (),
    "clsact": ("--tc", "clsact"),
    "native": ("--xdp", "native"),
}
"""Options of attach, by what they try out."""

ALL_LAYERS = "all layers"
"""One more way: with the layers of the host, on a cgroup of its own."""

_LAYOUT_VERSION_OFFSET = 4  # bpf/wire.h, struct tm_meta
_numbers = itertools.count()


@contextmanager
def options_of(way: str) -> Iterator[tuple[str, ...]]:
    """Of WAYS, or ALL_LAYERS."""
    if way != ALL_LAYERS:
        yield WAYS[way]
        return
    with own_cgroup("way") as path:
        yield ("--tc", "clsact", "--cgroup", str(path))


@contextmanager
def program_in(namespace: Namespace) -> Iterator[Program]:
    """`trafficmon` in ``namespace``, nothing attached yet; what it attaches goes in the end."""
    program = Program(namespace, Path(f"/sys/fs/bpf/tmtest-{os.getpid()}-a{next(_numbers)}"))
    try:
        yield program
    finally:
        program.run("detach")
    assert not program.pin_dir.exists()
    assert not lock_of(program).exists()


@contextmanager
def lab_and_program() -> Iterator[tuple[Lab, Program]]:
    """A quiet lab, and `trafficmon` at its server."""
    with Lab() as lab, program_in(lab.server) as program:
        yield lab, program


def lock_of(program: Program) -> Path:
    """The file by which attach and detach exclude each other."""
    return file_of(program.pin_dir, "attach", ".lock")


def attach(program: Program, *interfaces: str, options: tuple[str, ...] = ()) -> str:
    """Attach; what it printed."""
    named = [part for name in interfaces for part in ("--iface", name)]
    return program.run("attach", *named, *options).stdout


def complaint(program: Program, code: int, *arguments: str) -> str:
    """What a command says that is to fail with exit code ``code``."""
    return refusal(program.run(*arguments, check=False), code)


def refusal(ended: subprocess.CompletedProcess[str], code: int) -> str:
    """Standard error of what failed: one or two lines, and no traceback."""
    assert ended.returncode == code, (ended.stdout, ended.stderr)
    lines = ended.stderr.splitlines()
    assert 1 <= len(lines) <= 2, ended.stderr
    assert lines[0].startswith("trafficmon: ")
    assert "Traceback" not in ended.stderr
    assert "internal error" not in ended.stderr
    return ended.stderr


def run_patched(program: Program, patch: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command after the statements of ``patch``, which stand in for another kernel or package."""
    driver = f"{patch}\nfrom trafficmon.cli.main import main\nmain()\n"
    argv = ["env", f"TRAFFICMON_PIN_DIR={program.pin_dir}", sys.executable, "-c", driver]
    return program.namespace.run([*argv, *within(arguments)], timeout=PATIENCE_S, check=False)


def send(lab: Lab, count: int) -> None:
    """Frames from the client to the server: no answers, and all counted when this returns."""
    raw.arp_broadcast(lab.client_end, "10.0.1.77", count)


def send_back(lab: Lab, count: int) -> None:
    """Frames from the server to the client."""
    raw.arp_broadcast(lab.server_end, "10.0.1.78", count)


def interface_row(program: Program, name: str) -> dict[str, Any]:
    """The interface's row of `top interfaces`."""
    (row,) = (row for row in program.rows("interfaces") if row["interface"] == name)
    return row


def packets(program: Program, name: str) -> tuple[int, int]:
    """What the interface received and sent, by `top interfaces`."""
    row = interface_row(program, name)
    return row["rx_packets"] or 0, row["tx_packets"] or 0


def state(program: Program, name: str) -> dict[str, Any]:
    """The interface's part of `status --json`."""
    (found,) = (i for i in program.status()["interfaces"] if i["interface"] == name)
    return dict(found)


def fake_layout(program: Program, version: int) -> None:
    """Make the pinned maps look as if another version of trafficmon had made them."""
    with Map.from_pin(str(program.pin_dir / "maps" / "meta")) as meta:
        record = bytearray(meta.lookup(FIRST_KEY) or b"")
        record[_LAYOUT_VERSION_OFFSET : _LAYOUT_VERSION_OFFSET + 4] = version.to_bytes(
            4, sys.byteorder
        )
        meta.update(FIRST_KEY, bytes(record))
