# SPDX-License-Identifier: MIT
"""Names that outlive what they name: as long as there is room for, and what is cut says so.

Each limit from both sides: parts of a path and their length, cgroups, arguments.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.owned import CLIENT, Place, place_of
from tests.lab.cgroup import entering
from trafficmon.layout import CGROUP_PATH, PROCESS

pytestmark = pytest.mark.kernel

# Room in bpf/wire.h: how many parts, and how long one may be with its NUL.
PARTS = PROCESS["exe"].shape[0]
FILE_NAME_BYTES = PROCESS["exe"].itemsize // PARTS
CGROUP_NAME_BYTES = CGROUP_PATH["parts"].itemsize // PARTS
ARGUMENTS_BYTES = PROCESS["arguments"].itemsize
SEND = f"import socket; socket.socket(type=2).sendto(b'x', ({CLIENT!r}, 9))"


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with place_of(attach=True) as made:
        yield made


@pytest.fixture(scope="module")
def short() -> Iterator[Path]:
    """A directory whose path has two parts, on a file system that programs may run from."""
    path = Path(f"/var/tm{os.getpid()}")
    path.mkdir()
    yield path
    shutil.rmtree(path)


def run(place: Place, program: Path, cgroup: Path, *arguments: str) -> dict[str, Any]:
    """The row of a process that has sent one datagram and ended."""
    known = {row["pid"] for row in place.program.rows("processes")}
    argv = [str(program), "-ISc", SEND, *arguments]
    place.lab.server.run(entering(cgroup, argv))
    (row,) = (
        row
        for row in place.program.rows("processes")
        if row["pid"] not in known and row["tx_packets"]
    )
    return row


def interpreter() -> Path:
    return Path(sys.executable).resolve()


@pytest.mark.parametrize("parts", [PARTS - 1, PARTS, PARTS + 1])
def test_a_path_of_so_many_parts(place: Place, short: Path, parts: int) -> None:
    """One that takes all of the room may have had more."""
    path = short.joinpath(*(f"d{number}" for number in range(parts - 3)), "python")
    assert len(path.parts) - 1 == parts
    path.parent.mkdir(parents=True)
    shutil.copy(interpreter(), path)
    exe = run(place, path, place.cgroup)["exe"]
    last = path.parts[-PARTS:] if parts >= PARTS else path.parts[1:]
    assert exe == ("…/" if parts >= PARTS else "/") + "/".join(last)
    shutil.rmtree(short / "d0")


@pytest.mark.parametrize("size", [FILE_NAME_BYTES + n for n in (-2, -1, 0, 1)])
def test_a_file_name_of_so_many_bytes(place: Place, short: Path, size: int) -> None:
    path = short / ("n" * size)
    shutil.copy(interpreter(), path)
    exe = run(place, path, place.cgroup)["exe"]
    room = FILE_NAME_BYTES - 1
    assert exe == str(short / path.name[:room]) + ("…" if size >= room else "")
    path.unlink()


@pytest.mark.parametrize("size", [CGROUP_NAME_BYTES + n for n in (-2, -1, 0)])
def test_a_cgroup_name_of_so_many_bytes(place: Place, size: int) -> None:
    below = place.cgroup / ("c" * size)
    below.mkdir()
    run(place, interpreter(), below)
    below.rmdir()
    room = CGROUP_NAME_BYTES - 1
    reported = f"/{place.cgroup.name}/{below.name[:room]}" + ("…" if size >= room else "")
    assert reported in {row["path"] for row in place.program.rows("cgroups")}


@pytest.mark.parametrize("depth", [PARTS - 1, PARTS, PARTS + 1])
def test_a_cgroup_so_many_levels_deep(place: Place, depth: int) -> None:
    above = Path("/proc/1/cgroup").read_text().count("..")  # levels outside of a cgroup namespace
    names = [f"l{number}" for number in range(depth - 1 - above)]
    below = place.cgroup.joinpath(*names)
    below.mkdir(parents=True)
    cgroup = run(place, interpreter(), below)
    for level in range(len(names), 0, -1):
        place.cgroup.joinpath(*names[:level]).rmdir()
    every = "/".join([place.cgroup.name, *names][above - PARTS :])
    (row,) = (row for row in place.program.rows("processes") if row["pid"] == cgroup["pid"])
    if depth < PARTS:
        assert row["cgroup"] == f"/{every}"
    elif above:  # the names of these levels are among those that there was room for
        assert row["cgroup"].startswith("…/")
        assert row["cgroup"].endswith(f"/{every}")
    else:
        assert row["cgroup"] == f"…/{every}"


@pytest.mark.parametrize("size", [ARGUMENTS_BYTES + n for n in (-2, -1, 0, 1, 200)])
def test_arguments_of_so_many_bytes(place: Place, size: int) -> None:
    """Those of the command line together, each with its NUL."""
    program = interpreter()
    known = len("\0".join([str(program), "-ISc", SEND])) + 2
    row = run(place, program, place.cgroup, "a" * (size - known))
    whole = " ".join([str(program), "-ISc", SEND, "a" * (size - known)])
    assert len(whole) == size - 1
    room = ARGUMENTS_BYTES - 1
    assert row["cmdline"] == whole[:room] + ("…" if len(whole) >= room else "")


@pytest.mark.parametrize("size", [14, 15, 16])
def test_a_name_of_so_many_bytes(place: Place, size: int) -> None:
    """TASK_COMM_LEN is 16 with its NUL, so the kernel itself has 15."""
    server = place.server("c" * size)
    server.do(f"socket.socket(type=2).sendto(b'x', ({CLIENT!r}, 9))")
    assert place.process(server)["comm"] == "c" * min(size, 15)
    assert place.program.rows("flows", "--filter", f"comm {'c' * min(size, 15)}")
    server.end()
