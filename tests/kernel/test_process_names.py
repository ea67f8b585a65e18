# SPDX-License-Identifier: MIT
"""Names of processes that change: a process goes by its last ones, also when it has ended."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.kernel.owned import CLIENT, Place, Row
from tests.waiting import wait_until

pytestmark = pytest.mark.kernel

USE = f"s = socket.socket(type=socket.SOCK_DGRAM); s.sendto(b'x', ({CLIENT!r}, 9))"
_PATIENCE_S = 20.0


def row_of(place: Place, pid: int) -> Row:
    (row,) = (row for row in place.program.rows("processes") if row["pid"] == pid)
    return row


def until(place: Place, pid: int, field: str, value: str) -> Row:
    wait_until(lambda: row_of(place, pid)[field] == value, _PATIENCE_S)
    return row_of(place, pid)


def copied(folder: Path, name: str) -> Path:
    """A program that does nothing for long."""
    program = folder / name
    shutil.copy(shutil.which("sleep") or "", program)
    return program


@pytest.mark.parametrize("name", ["later", "x (deleted)", "odd) (näme"])
def test_another_program_with_the_socket_open(place: Place, tmp_path: Path, name: str) -> None:
    program = copied(tmp_path, name)
    server = place.server("tm-before")
    server.do(USE, "os.set_inheritable(s.fileno(), True)")
    assert row_of(place, server.pid)["comm"] == "tm-before"
    server.begin(f"os.execv({str(program)!r}, [{name!r}, '600', '601'])")
    running = until(place, server.pid, "comm", name)
    assert (running["exe"], running["cmdline"]) == (str(program), f"{name} 600 601")

    server.end()
    ended = row_of(place, server.pid)
    assert [ended[f] for f in ("comm", "exe", "cmdline")] == [
        running[f] for f in ("comm", "exe", "cmdline")
    ]


def test_another_program_of_the_same_name(place: Place, tmp_path: Path) -> None:
    """Only its arguments differ."""
    server = place.server("sleep")
    server.do(USE, "os.set_inheritable(s.fileno(), True)")
    sleep = shutil.which("sleep") or ""
    server.begin(f"os.execv({sleep!r}, ['sleep', '612'])")
    exe, before = Path(f"/proc/{server.pid}/exe"), Path(sys.executable).resolve()
    wait_until(lambda: exe.readlink() != before, _PATIENCE_S)
    server.end()
    assert row_of(place, server.pid)["cmdline"] == "sleep 612"


def test_a_process_that_gives_itself_a_name(place: Place) -> None:
    """prctl(PR_SET_NAME): the first thread's name is the process', others' are their own."""
    server = place.server("tm-first")
    server.do(
        USE,
        "import ctypes; prctl = ctypes.CDLL(None).prctl",
        "prctl(15, b'tm-renamed', 0, 0, 0)",
        "t = threading.Thread(target=lambda: prctl(15, b'tm-thread', 0, 0, 0))",
        "t.start(); t.join()",
    )
    assert row_of(place, server.pid)["comm"] == "tm-renamed"
    server.end()
    assert row_of(place, server.pid)["comm"] == "tm-renamed"


def test_a_zombie(place: Place) -> None:
    """/proc has no executable and no command line any more; they were noted."""
    server = place.server("tm-mother")
    server.do(
        "child = os.fork()",
        f"if not child:\n    {USE}; time.sleep(60)",
    )
    (running,) = wait_until(
        lambda: [r for r in place.program.rows("processes") if r["tx_packets"]], _PATIENCE_S
    )
    server.do("os.kill(child, 9); os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)")
    (stat,) = Path(f"/proc/{running['pid']}/stat").read_text().rpartition(")")[2].split()[:1]
    assert stat == "Z"
    zombie = row_of(place, running["pid"])
    assert (zombie["comm"], zombie["exe"]) == (running["comm"], running["exe"])
    assert zombie["exe"] == str(Path(sys.executable).resolve())
    assert running["cmdline"].startswith(zombie["cmdline"].rstrip("…"))


def test_names_that_are_no_text(place: Place, tmp_path: Path) -> None:
    """Bytes that are no UTF-8, and a line's end: shown while it runs as when it has ended."""
    server = place.server("tm-odd")
    server.do(USE, "open('/proc/self/comm', 'wb').write(b'a\\n\\xffb')")
    running = row_of(place, server.pid)["comm"]
    server.end()
    assert row_of(place, server.pid)["comm"] == running == "a\n\\xffb"


def test_a_program_in_memory(place: Place) -> None:
    server = place.server("tm-memory")
    server.do(
        USE,
        "os.set_inheritable(s.fileno(), True)",
        "m = os.memfd_create('in-memory', 0)",
        f"os.write(m, open({shutil.which('sleep')!r}, 'rb').read())",
    )
    server.begin("os.execve(m, ['sleep', '613'], {})")
    running = until(place, server.pid, "exe", "/memfd:in-memory")
    server.end()
    ended = row_of(place, server.pid)
    assert (ended["exe"], ended["cmdline"]) == (running["exe"], "sleep 613")


def test_a_very_long_command_line(place: Place) -> None:
    server = place.server("tm-long")
    server.do(USE, "os.set_inheritable(s.fileno(), True)")
    sleep = shutil.which("sleep")
    server.begin(f"os.execv({sleep!r}, ['sleep', '614'] + ['0' * 1000] * 50)")
    running = until(place, server.pid, "comm", "sleep")
    server.end()
    ended = row_of(place, server.pid)["cmdline"]
    assert ended.endswith("…")
    assert running["cmdline"].startswith(ended.rstrip("…"))
    assert running["cmdline"].startswith("sleep 614 0000")


def test_the_hooks_go_with_detach_and_stay_with_replace(place: Place) -> None:
    links = place.program.pin_dir / "links"
    names = {"renamed", "executed"}
    assert names <= {path.name for path in links.iterdir()}
    place.attach("--replace")
    assert names <= {path.name for path in links.iterdir()}
    place.program.run("detach")
    assert not links.exists()
