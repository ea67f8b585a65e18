# SPDX-License-Identifier: MIT
"""`attach --group`: its members read everything, change nothing; others get the remedy."""

from __future__ import annotations

import grp
import json
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.kernel.ordinary import run_ordinary
from tests.kernel.program import Program, attached
from tests.lab.namespace import Namespace

pytestmark = pytest.mark.kernel

GROUP = "games"
BPFFS = Path("/sys/fs/bpf")
MEMBER = (grp.getgrnam(GROUP).gr_gid,)
STRANGER: tuple[int, ...] = ()
PINGS = 5
UPDATE = """
import sys
from trafficmon.errors import BpfError, MissingPrivilegeError
from trafficmon.libbpf.map import Map
for pin in sys.argv[1:]:
    try:
        with Map.from_pin(pin) as held:
            held.update(bytes(4), bytes(8))
    except (BpfError, MissingPrivilegeError) as error:
        print(f"refused: {error}")
"""

DASHBOARD = """
sys.argv += ["tui", "--text"]
sys.stdin = io.StringIO("hosts\\nevents\\n")
program.main()
"""


@pytest.fixture
def program() -> Iterator[Program]:
    """Attached to the loopback of a namespace of its own, with some pings counted."""
    mode = BPFFS.stat().st_mode & 0o7777
    try:
        with (
            Namespace("group") as namespace,
            attached(namespace, "lo", options=("--group", GROUP)) as running,
        ):
            namespace.run(["ping", "-q", "-i", "0.01", "-c", str(PINGS), "127.0.0.1"])
            yield running
    finally:
        BPFFS.chmod(mode)


def run_as(who: tuple[int, ...], program: Program, *arguments: str) -> CompletedProcess[str]:
    return run_ordinary(program.namespace, who, *arguments, pin_dir=program.pin_dir)


def test_a_member_reads_the_numbers_that_root_reads(program: Program) -> None:
    for table in ("flows", "interfaces"):
        done = run_as(MEMBER, program, "top", table, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == program.rows(table)
    (interface,) = program.rows("interfaces")
    assert interface["icmp_packets"] == 4 * PINGS  # request and reply, each out and in
    done = run_as(MEMBER, program, "status", "--json")
    assert done.returncode == 0, done.stderr
    (layer, *_) = json.loads(done.stdout)["interfaces"]
    assert (layer["interface"], layer["state"]) == ("lo", "attached")


def test_a_member_is_shown_the_dashboard(program: Program) -> None:
    """In the same words as a screen reader is; events take root, and that is said."""
    done = run_ordinary(program.namespace, MEMBER, pin_dir=program.pin_dir, then=DASHBOARD)
    assert done.returncode == 0, done.stderr
    assert "lo: receiving" in done.stdout
    assert "127.0.0.1" in done.stdout
    assert "permission" in done.stdout


def test_a_member_cannot_change_a_map(program: Program) -> None:
    pins = sorted(map(str, (program.pin_dir / "maps").iterdir()))
    done = run_ordinary(program.namespace, MEMBER, *pins, then=UPDATE)
    assert done.returncode == 0, done.stderr
    answers = done.stdout.splitlines()
    assert len(answers) == len(pins) > 20
    for pin, answer in zip(pins, answers, strict=True):
        assert answer.startswith("refused: "), pin
        assert "permi" in answer, answer


@pytest.mark.parametrize("who", [MEMBER, STRANGER], ids=["member", "stranger"])
def test_neither_attaches_nor_detaches(program: Program, who: tuple[int, ...]) -> None:
    for command in (("attach", "--iface", "lo"), ("detach",)):
        done = run_as(who, program, *command)
        assert done.returncode == 4, done
        assert "Traceback" not in done.stderr
        assert "root" in done.stderr
    assert len(program.rows("interfaces")) == 1


def test_a_stranger_gets_the_remedy(program: Program) -> None:
    for command in (("top", "flows"), ("top", "interfaces"), ("status",)):
        done = run_as(STRANGER, program, *command)
        assert done.returncode == 4, done
        assert done.stderr.count("\n") <= 2
        assert "--group" in done.stderr or "root" in done.stderr
