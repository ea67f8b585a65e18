# SPDX-License-Identifier: MIT
"""A socket changes hands with the first packet of a call, not when the call is over.

And only then: which process is the current one where a packet leaves is chance, in a softirq.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.owned import (
    CLIENT,
    SERVER,
    SERVER6,
    Place,
    Row,
    app,
    connect_to,
    connected,
    family_of,
    listen,
    place_of,
    sums_agree,
)
from tests.lab.worker import Worker
from trafficmon.libbpf import features
from trafficmon.uapi import Helper, ProgramType

pytestmark = pytest.mark.kernel

LENGTH = 5_000_000
CLIENT6 = "fd00:0:0:1::1"
HANDFUL_BYTES = 1000
"""Of a handshake's end, a hundred bytes and their acknowledgements."""

WAYS = {
    "send": f"assert c.send(bytes({LENGTH})) == {LENGTH}",
    "sendmsg": f"assert c.sendmsg([bytes({LENGTH})]) == {LENGTH}",
    "write": f"assert os.write(c.fileno(), bytes({LENGTH})) == {LENGTH}",
    "writev": f"assert os.writev(c.fileno(), [bytes({LENGTH})]) == {LENGTH}",
    "sendfile": f"assert os.sendfile(c.fileno(), f, 0, {LENGTH}) == {LENGTH}",
}


def _has_helper(helper: Helper) -> bool:
    return features.has_helper(ProgramType.CGROUP_SKB, helper)


@pytest.fixture
def place() -> Iterator[Place]:
    if not _has_helper(Helper.GET_CURRENT_TASK):
        pytest.skip("programs on packets may not read the task here (Linux 5.14)")
    with place_of(attach=True) as made:
        yield made


def processes(place: Place) -> dict[int, Row]:
    return {row["pid"]: row for row in place.program.rows("processes")}


def the_other(place: Place, first: Worker) -> tuple[Row, Row]:
    """The rows of ``first`` and of the one process beside it."""
    rows = processes(place)
    mine = rows.pop(first.pid)
    ((_, other),) = rows.items()
    return mine, other


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("address", [SERVER, SERVER6])
def test_one_call_of_a_child(place: Place, tmp_path: Path, address: str, way: str) -> None:
    """Both while it continues and when it is over."""
    (tmp_path / "data").write_bytes(bytes(LENGTH))
    server, client = place.server("tm-parent"), place.client()
    listen(server, address=address)
    connect_to(client, address=address)
    server.do("c = accept(l)", "c.sendall(bytes(100))")
    client.do("take(c, 100)")
    server.do(
        f"f = os.open({str(tmp_path / 'data')!r}, os.O_RDONLY)",
        "child = os.fork()",
        f"if not child:\n    {WAYS[way]}; time.sleep(60); os._exit(0)",
        "c.close()",
    )
    client.do("take(c, 500000)")
    parent, child = the_other(place, server)
    assert parent["tx_bytes"] < HANDFUL_BYTES
    assert child["tx_bytes"] > 500_000

    client.do(f"take(c, {LENGTH} - 500000)")
    parent, child = the_other(place, server)
    assert parent["tx_bytes"] < HANDFUL_BYTES
    assert child["tx_bytes"] > LENGTH
    assert (app(parent), app(child)) == ((0, 100), (0, LENGTH))
    (flow,) = place.program.rows("flows", "--filter", "port 5000")
    assert flow["pid"] == child["pid"]
    sums_agree(place)


def test_one_call_of_whom_it_was_passed_to(place: Place, tmp_path: Path) -> None:
    first, client = connected(place, "tm-first")
    second = place.server("tm-second")
    first.do("c.sendall(bytes(100))")
    client.do("take(c, 100)")
    pipe = str(tmp_path / "pipe")
    second.do(f"u = socket.socket(socket.AF_UNIX); u.bind({pipe!r}); u.listen()")
    first.do(
        f"u = socket.socket(socket.AF_UNIX); u.connect({pipe!r})",
        "socket.send_fds(u, [b'x'], [c.fileno()]); c.close()",
    )
    second.do("p = accept(u)", "c = socket.socket(fileno=socket.recv_fds(p, 1, 1)[1][0])")
    second.begin(f"c.send(bytes({LENGTH}))")
    client.do("take(c, 500000)")
    assert place.process(first)["tx_bytes"] < HANDFUL_BYTES
    assert place.process(second)["tx_bytes"] > 500_000
    client.do(f"take(c, {LENGTH} - 500000)")
    second.wait()
    assert [app(place.process(one)) for one in (first, second)] == [(0, 100), (0, LENGTH)]
    sums_agree(place)


def test_a_socket_of_before(place: Place) -> None:
    """Older than attach: what was written then is known from the sequence numbers."""
    place.program.run("detach")
    server, client = connected(place, "tm-parent")
    server.do("c.sendall(bytes(100000))")
    client.do("take(c, 100000)")
    place.attach()
    server.do(
        "child = os.fork()",
        f"if not child:\n    c.sendall(bytes({LENGTH})); time.sleep(60); os._exit(0)",
        "c.close()",
    )
    client.do("take(c, 500000)")
    assert server.pid not in processes(place)
    client.do(f"take(c, {LENGTH} - 500000)")
    sums_agree(place)


def test_connecting_is_a_use(place: Place) -> None:
    """Who connects a socket that another has opened sends its first packet."""
    server, client = place.server("tm-opens"), place.client()
    listen(client, address=CLIENT)
    server.do(
        "c = socket.socket()",
        "child = os.fork()",
        f"if not child:\n    c.connect(({CLIENT!r}, 5000)); time.sleep(60); os._exit(0)",
        "c.close()",
    )
    client.do("c = accept(l)")
    rows = processes(place)
    assert server.pid not in rows
    assert [(row["tx_packets"], row["rx_packets"]) for row in rows.values()] == [(2, 1)]


@pytest.mark.parametrize("is_connected", [True, False])
@pytest.mark.parametrize("address", [CLIENT, CLIENT6])
def test_datagrams(place: Place, address: str, is_connected: bool) -> None:
    """Each is the process' that sends it, the first too."""
    if not _has_helper(Helper.TASK_PT_REGS):
        pytest.skip("programs on packets may not read a task's registers here (Linux 5.15)")
    server, client = place.server("tm-udp"), place.client()
    family = family_of(address)
    client.do(f"c = socket.socket({family}, socket.SOCK_DGRAM); c.bind(({address!r}, 9999))")
    server.do(
        f"c = socket.socket({family}, socket.SOCK_DGRAM); at = ({address!r}, 9999)",
        "c.connect(at)" if is_connected else "pass",
        "def send(n): return c.send(bytes(n)) if " + f"{is_connected} else c.sendto(bytes(n), at)",
        "r, w = os.pipe(); r2, w2 = os.pipe()",
        "send(100)",
        "child = os.fork()",
        "if not child:\n"
        "    for _ in range(50): os.read(r, 1); send(1000); os.write(w2, b'x')\n"
        "    time.sleep(60); os._exit(0)",
        "for _ in range(50): os.write(w, b'x'); os.read(r2, 1); send(10)",
    )
    header = 48 if ":" in address else 28
    parent, child = the_other(place, server)
    assert (parent["tx_packets"], parent["tx_bytes"]) == (51, 100 + 500 + 51 * header)
    assert (child["tx_packets"], child["tx_bytes"]) == (50, 50 * (1000 + header))
    assert (app(parent), app(child)) == ((0, 600), (0, 50_000))
    sums_agree(place)


class TestNobodyElse:
    """Packets that leave while a process runs that has nothing to do with them."""

    def test_two_busy_processes_on_one_cpu(self, place: Place) -> None:
        """ACKs free the sender's packets while the other computes, or sends itself."""
        cpu = max(os.sched_getaffinity(0))
        server, client = connected(place, "tm-sends")
        busy = place.server("tm-computes")
        for worker in (server, client, busy):
            worker.do(f"os.sched_setaffinity(0, [{cpu}])")
        client.do(f"u = socket.socket(type=socket.SOCK_DGRAM); u.bind(({CLIENT!r}, 9))")
        busy.do(f"u = socket.socket(type=socket.SOCK_DGRAM); u.connect(({CLIENT!r}, 9))")
        busy.begin(
            "end = time.monotonic() + 4; count = 0",
            "while time.monotonic() < end:\n"
            "    sum(range(1000)); count += 1\n"
            "    if count % 100 == 0: u.send(b'x')",
        )
        server.begin(f"c.sendall(bytes(4 * {LENGTH}))")
        client.do(f"take(c, 4 * {LENGTH})")
        server.wait()
        busy.wait()
        computed, sent = place.process(busy), place.process(server)
        assert computed["tx_bytes"] == 29 * computed["tx_packets"]
        assert app(computed) == (0, computed["tx_packets"])
        assert sent["tx_bytes"] > 4 * LENGTH
        assert app(sent) == (0, 4 * LENGTH)
        sums_agree(place)

    def test_a_process_that_only_looks(self, place: Place) -> None:
        """It has the socket, too, and reads its options while the other is in a long call."""
        server, client = connected(place, "tm-sends")
        server.do(
            "c.sendall(bytes(100))",
            "child = os.fork()",
            "if not child:\n"
            "    end = time.monotonic() + 30\n"
            "    while time.monotonic() < end:\n"
            "        c.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 200)\n"
            "        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)\n"
            "    os._exit(0)",
        )
        server.begin(f"c.send(bytes(4 * {LENGTH}))")
        client.do(f"take(c, 100 + 4 * {LENGTH})")
        server.wait()
        server.do("os.kill(child, 9); os.waitpid(child, 0)")
        rows = processes(place)
        assert set(rows) == {server.pid}
        assert rows[server.pid]["tx_bytes"] > 4 * LENGTH
        sums_agree(place)

    def test_a_process_that_ends_what_the_other_has_sent(self, place: Place) -> None:
        """shutdown() sends a FIN, and no bytes of the caller."""
        server, client = connected(place, "tm-sends")
        server.do(
            "c.sendall(bytes(50000))",
            "child = os.fork()",
            "if not child:\n    c.shutdown(socket.SHUT_WR); time.sleep(60); os._exit(0)",
        )
        client.do("take(c, 50000)", "assert not c.recv(1)")
        assert set(processes(place)) == {server.pid}
        sums_agree(place)
