# SPDX-License-Identifier: MIT
"""Nothing that a reader does, and no full disk, makes a DNS message vanish or detach impossible."""

from __future__ import annotations

import grp
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kernel.ordinary import NOBODY, run_ordinary
from tests.kernel.program import Program, attached
from tests.lab import processes
from tests.lab.namespace import Namespace
from trafficmon.host.lock import RUN_DIR
from trafficmon.layout import DNS_BYTES

pytestmark = pytest.mark.kernel

EXCHANGE = str(Path(__file__).parents[1] / "lab" / "programs" / "dns_exchange.py")
GROUP = "games"
MEMBER = grp.getgrnam(GROUP).gr_gid
HOLD = f"""
import fcntl, os, sqlite3, sys, time
from pathlib import Path
os.setgroups([{MEMBER}])
os.setresgid({NOBODY}, {NOBODY}, {NOBODY})
os.setresuid({NOBODY}, {NOBODY}, {NOBODY})
held = []
def hold(path):
    try:
        fd = os.open(path, os.O_RDONLY)
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        held.append(fd)
        fcntl.lockf(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        book = sqlite3.connect(f"file:{{path}}?mode=ro", uri=True, isolation_level=None)
        book.execute("BEGIN")
        book.execute("SELECT * FROM names").fetchone()
        held.append(book)
    except (OSError, sqlite3.Error):
        pass
for path in sys.argv[1:]:
    hold(path)
print("holding", flush=True)
locks = [path for path in sys.argv[1:] if path.endswith(".lock")]
while True:  # these are there only while root has them
    for path in locks:
        hold(path)
    time.sleep(0.001)
"""


@contextmanager
def watched(*options: str) -> Iterator[Program]:
    """A resolver on a loopback whose DNS messages are copied: as they go out, each once."""
    with (
        Namespace("names") as namespace,
        attached(namespace, "lo", options=("--layer", "tc,dns", *options)) as program,
    ):
        server = namespace.popen([sys.executable, EXCHANGE, "serve", "127.0.0.1", "53"])
        processes.read_until(server, server.stdout, "ready")
        yield program


def query(program: Program, *names: str) -> None:
    argv = [sys.executable, EXCHANGE, "query", "127.0.0.1", "53", *names]
    assert program.namespace.run(argv, timeout=60).stderr == ""


def counts(program: Program) -> dict[str, tuple[int, int]]:
    """Queries and responses by name, as root."""
    return {row["name"]: (row["queries"], row["responses"]) for row in program.rows("dns")}


def losses(program: Program) -> int:
    """Messages that the ledger says were lost."""
    return int(program.status()["ledger"]["dns_message_drops"])


def in_reach(program: Program) -> list[str]:
    """All that a reader might lock: in /run, and the pin directory; files that come, too."""
    name = str(program.pin_dir).replace("/", "-")
    coming = [RUN_DIR / f"{kind}{name}.lock" for kind in ("attach", "dns", "events")]
    there = [RUN_DIR, *RUN_DIR.iterdir(), program.pin_dir, *program.pin_dir.rglob("*")]
    return [str(path) for path in (*there, *coming)]


def test_what_a_member_holds_neither_delays_nor_loses_anything() -> None:
    with watched("--group", GROUP) as program:
        query(program, "before.test")
        assert counts(program) == {"before.test": (1, 1)}
        argv = [sys.executable, "-c", HOLD, *in_reach(program)]
        attacker = program.namespace.popen(argv)
        processes.read_until(attacker, attacker.stdout, "holding")
        for number in range(3):
            query(program, *(f"name{n}.test" for n in range(20)))
            done = program.run("top", "dns", "--json", "-n", "100")
            assert done.stderr == ""
            found = {row["name"]: row["queries"] for row in json.loads(done.stdout)}
            assert found == {"before.test": 1} | {f"name{n}.test": number + 1 for n in range(20)}
        assert losses(program) == 0
        assert attacker.poll() is None
        assert "detached from lo" in program.run("detach").stdout


def test_a_member_reads_the_names_that_root_has_read() -> None:
    with watched("--group", GROUP) as program:
        query(program, "one.test")
        assert counts(program) == {"one.test": (1, 1)}
        done = run_ordinary(
            program.namespace, [MEMBER], "top", "dns", "--json", pin_dir=program.pin_dir
        )
        assert "names are as of when root last looked" in done.stderr
        assert [row["name"] for row in json.loads(done.stdout)] == ["one.test"]
        stranger = run_ordinary(
            program.namespace, [], "top", "dns", "--json", pin_dir=program.pin_dir
        )
        assert stranger.returncode == 4
        modes = {path.name[:4]: path.stat().st_mode & 0o777 for path in RUN_DIR.glob("dns*.db")}
        assert set(modes.values()) <= {0o600, 0o640}


@contextmanager
def full(*, of: str) -> Iterator[Path]:
    """A /run/trafficmon without room: of ``of``, "size" or "nr_inodes"."""
    RUN_DIR.mkdir(exist_ok=True)
    options = {"size": "size=32k", "nr_inodes": "nr_inodes=1"}[of]
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(RUN_DIR)], check=True)
    filler = RUN_DIR / "filler"
    if of == "size":
        with (
            pytest.raises(OSError, match="No space left"),
            filler.open("wb", buffering=0) as stream,
        ):
            while stream.write(bytes(4096)):
                pass
    try:
        yield filler
    finally:
        subprocess.run(["umount", "-l", str(RUN_DIR)], check=True)


@pytest.mark.parametrize("of", ["size", "nr_inodes"])
def test_messages_wait_until_there_is_room(of: str) -> None:
    with watched() as program:
        with full(of=of):
            query(program, "kept.test", "missing.test")
            for _ in range(2):
                done = program.run("top", "dns", "--json")
                assert json.loads(done.stdout) == []
                assert "they wait in the kernel" in done.stderr
        assert counts(program) == {"kept.test": (1, 1), "missing.test": (1, 1)}
        assert losses(program) == 0


@pytest.mark.long
def test_what_does_not_fit_while_it_waits_is_counted() -> None:
    with watched() as program:
        with full(of="size"):
            longest = [f"{number:032d}.{'a' * 60}.{'b' * 60}.test" for number in range(2000)]
            room = 1 << 22  # of the ring buffer `dns_messages`
            queried = 0
            while not losses(program):
                query(program, *longest)
                queried += len(longest)
                assert queried < 20 * room // DNS_BYTES
        reported = counts(program)
        kept = sum(queries + responses for queries, responses in reported.values())
        assert kept + losses(program) == 2 * queried


@pytest.mark.parametrize("of", ["size", "nr_inodes"])
def test_detach_needs_no_room(of: str) -> None:
    with watched() as program:
        with full(of=of):
            done = program.run("detach")
            assert done.stdout.startswith("detached from lo")
        assert not program.pin_dir.exists()


def test_attach_that_finds_no_room_says_so() -> None:
    with Namespace("room") as namespace, full(of="nr_inodes"):
        program = Program(namespace, Path("/sys/fs/bpf/tmroom"))
        done = program.run("attach", "--iface", "lo", check=False)
        assert done.returncode == 1
        assert f"cannot make {RUN_DIR}/attach" in done.stderr
        assert "No space left on device; make room there" in done.stderr
        assert not program.pin_dir.exists()
