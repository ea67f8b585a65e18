# SPDX-License-Identifier: MIT
"""Each way to count what applications give and take, where the kernel has it: all agree."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.owned import (
    CLIENT,
    SERVER,
    Place,
    app,
    close_all,
    connected,
    exchange,
    place_of,
    sums_agree,
)
from trafficmon.attachment.request import APP_MODES

pytestmark = pytest.mark.kernel

MODES = APP_MODES[1:]
"""Without auto: test_owners.py has what that chooses."""


@pytest.fixture(params=MODES)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with place_of(attach=False) as made:
        options = ("--app", request.param, "--layer", "tc,cgroup,sockops,app")
        done = made.try_to_attach(*options)
        if done.returncode:
            pytest.skip(f"not on this kernel: --app {request.param}: {done.stderr.strip()}")
        assert f"app: {request.param}" in done.stdout
        yield made


def test_all_that_moves_bytes(place: Place, tmp_path: Path) -> None:
    source = tmp_path / "data"
    source.write_bytes(bytes(100_000))
    server, client = connected(place)
    exchange(server, client, 30_000, 7001)
    server.begin(
        f"f = open({str(source)!r}, 'rb')",
        "sent = 0",
        "while sent < 100000:\n    sent += os.sendfile(c.fileno(), f.fileno(), sent, 100000)",
        "r, w = os.pipe()",
        "while not (got := len(c.recv(999, socket.MSG_PEEK))): pass",
        "got = 0",
        "while got < 5000:\n    n = os.splice(c.fileno(), w, 65536); os.read(r, 65536); got += n",
    )
    client.do("c.sendall(bytes(5000))", "take(c, 100000)")
    server.wait()
    close_all(client, server)
    assert app(place.process(server)) == (35_000, 107_001)

    server.do(
        f"c = socket.socket(type=socket.SOCK_DGRAM); c.bind(({SERVER!r}, 5353))",
        f"for _ in range(20): c.sendto(bytes(222), ({CLIENT!r}, 6000))",
        "s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 253)",
        f"for _ in range(7): s.sendto(bytes(100), ({CLIENT!r}, 0))",
        "p = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
        f"p.bind(('{place.lab.server_if}', 0)); p.send(bytes(12) + b'xx' + bytes(46))",
        "u = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)",
        "u.sendto(bytes(11), ('fd00:0:0:1::1', 6000))",
    )
    client.do(f"c.close(); c = socket.socket(type=socket.SOCK_DGRAM); c.bind(({CLIENT!r}, 6000))")
    client.do(f"for _ in range(50): c.sendto(bytes(111), ({SERVER!r}, 5353))")
    server.do("c.recv(2000, socket.MSG_PEEK)", "for _ in range(50): c.recv(2000)")
    sent = 20 * 222 + 7 * 100 + 60 + 11
    assert app(place.process(server)) == (35_000 + 50 * 111, 107_001 + sent)
    sums_agree(place)


def test_who_uses_a_socket_has_it(place: Place) -> None:
    """A child of a forking server, from the connection's first packet on; then both in turns."""
    server, client = connected(place, "tm-forking")
    server.do(
        "a, b = os.pipe()",
        "child = os.fork()",
        "if not child:\n"
        "    take(c, 5000); c.sendall(bytes(600)); os.read(a, 1); c.sendall(bytes(50))\n"
        "    time.sleep(60); os._exit(0)",
    )
    client.do("c.sendall(bytes(5000))", "take(c, 600)")
    rows = {row["pid"]: row for row in place.program.rows("processes")}
    rows.pop(server.pid, None)
    ((child, row),) = rows.items()
    assert app(row) == (5000, 600)
    assert row["rx_packets"] >= 4  # SYN, ACK and data: all came before the child had read
    (connection,) = (r for r in place.program.rows("connections") if r["remote_port"])
    assert connection["pid"] == child

    server.do("c.sendall(bytes(30))")
    client.do("take(c, 30)")
    server.do("os.write(b, b'x')")
    client.do("take(c, 50)")
    reported = {row["pid"]: app(row) for row in place.program.rows("processes")}
    assert (reported[child], reported[server.pid]) == ((5000, 650), (0, 30))
    sums_agree(place)
