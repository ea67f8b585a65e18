# SPDX-License-Identifier: MIT
"""Attach where there is not enough memory: which map, which limit, and which option helps."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.attached import program_in, refusal, run_patched
from tests.kernel.program import Program
from tests.lab.namespace import Namespace

pytestmark = pytest.mark.kernel

MIB = 1 << 20
LIMIT = 96 * MIB
VERSION_1, VERSION_2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
_ENTER = """
import os
from pathlib import Path
Path({procs!r}).write_text(str(os.getpid()))
"""
_NO_ROOM_FOR = """
import errno
from trafficmon.errors import BpfError
from trafficmon.libbpf.object import Object
load = Object.load
def fail(loader):
    if loader.name.startswith({name!r}) and {when}:
        raise BpfError(errno.ENOMEM, "load", str(loader.path))
    load(loader)
Object.load = fail
"""


@pytest.fixture
def program() -> Iterator[Program]:
    with Namespace("memory") as namespace, program_in(namespace) as made:
        yield made


@pytest.fixture
def narrow() -> Iterator[Path]:
    """A cgroup of LIMIT bytes, of whichever version has the memory controller here."""
    v1 = (VERSION_1 / "memory.limit_in_bytes").exists()
    root, file = (VERSION_1, "memory.limit_in_bytes") if v1 else (VERSION_2, "memory.max")
    cgroup = root / f"tmmemory-{os.getpid()}"
    try:
        cgroup.mkdir()
        (cgroup / file).write_text(str(LIMIT))
    except OSError as error:
        pytest.skip(f"no memory controller to make a cgroup in: {error}")
    yield cgroup
    cgroup.rmdir()


def test_a_flow_table_beyond_the_limit_of_the_cgroup(program: Program, narrow: Path) -> None:
    enter = _ENTER.format(procs=str(narrow / "cgroup.procs"))
    command = ("attach", "--iface", "lo", "--max-flows", "2000000")
    said = refusal(run_patched(program, enter, *command), 1)
    assert "cannot make map flows: out of memory" in said
    assert f"cgroup may have {LIMIT // MIB} MiB" in said
    assert "--max-flows 131072" in said
    assert not program.pin_dir.exists()
    assert (
        run_patched(program, enter, "attach", "--iface", "lo", "--max-flows", "16384").returncode
        == 0
    )


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("tc", ("--layer", "tc")),
        ("xdp", ("--layer", "xdp,tc", "--xdp", "generic")),
        ("drops", ("--layer", "tc,drops")),
    ],
)
def test_programs_for_which_there_is_no_memory(
    program: Program, name: str, command: tuple[str, ...]
) -> None:
    when = (
        "'tm_clock' not in [n for n, p in loader.programs().items()]"
        if name != "tc"
        else (
            "len([1 for _ in os.scandir(os.environ['TRAFFICMON_PIN_DIR'])]) > 0"
            " if os.path.exists(os.environ['TRAFFICMON_PIN_DIR']) else False"
        )
    )
    patch = "import os\n" + _NO_ROOM_FOR.format(name=name, when=when)
    said = refusal(run_patched(program, patch, "attach", "--iface", "lo", *command), 1)
    assert f"{name}.bpf.o: out of memory" in said
    assert "--max-flows 16384" in said
    assert not program.pin_dir.exists()
