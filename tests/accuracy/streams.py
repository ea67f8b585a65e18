# SPDX-License-Identifier: MIT
"""Scenarios of TCP (and SCTP). Each leaves its sockets open until its block ends."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from tests.accuracy.scenario import Scenario
from tests.accuracy.stage import Known, Stage, begin, said
from tests.kernel.owned import CLIENT, SERVER, family_of
from tests.lab.worker import Worker

CLIENT6 = "fd00:0:0:1::1"
_TCP, _SCTP = socket.IPPROTO_TCP, 132
_FILE = "f = os.memfd_create('f'); os.ftruncate(f, {size})"
_PUMP = "threading.Thread(target=c.sendall, args=(bytes({size}),)).start()"


def accepting(stage: Stage, address: str = CLIENT, protocol: int = 0) -> Worker:
    """A client that listens."""
    client = stage.place.client()
    family = family_of(address)
    client.do(
        f"l = socket.socket({family}, socket.SOCK_STREAM, {protocol})",
        f"l.setsockopt(1, 2, 1); l.bind(({address!r}, {stage.port})); l.listen(1000)",
    )
    return client


@contextmanager
def stream(
    stage: Stage, comm: str, *, sends: int, takes: int, address: str = CLIENT, protocol: int = 0
) -> Iterator[list[Known]]:
    """The watched process connects; both directions at once."""
    client, server = accepting(stage, address, protocol), stage.place.server(comm)
    family = family_of(address)
    client.begin("c = accept(l)", _PUMP.format(size=takes), f"take(c, {sends})")
    server.do(
        f"c = socket.socket({family}, socket.SOCK_STREAM, {protocol})",
        f"c.connect(({address!r}, {stage.port}))",
        _PUMP.format(size=sends),
        f"take(c, {takes})",
    )
    client.wait()
    yield [Known(comm, takes, sends)]
    _close(client, server)


def _close(client: Worker, server: Worker) -> None:
    """Who closes first keeps the socket that answers last, and which has no owner any more."""
    client.do("c.close(); l.close()")
    server.do("c.close()")
    client.end()


@contextmanager
def by_sendfile(stage: Stage, comm: str) -> Iterator[list[Known]]:
    client, server = accepting(stage), stage.place.server(comm)
    client.begin("c = accept(l)", "take(c, 700000)")
    server.do(
        _FILE.format(size=700_000),
        f"c = socket.create_connection(({CLIENT!r}, {stage.port}))",
        "sent = 0",
        "while sent < 700000:\n    sent += os.sendfile(c.fileno(), f, sent, 700000)",
    )
    client.wait()
    yield [Known(comm, 0, 700_000)]
    _close(client, server)


@contextmanager
def by_splice(stage: Stage, comm: str) -> Iterator[list[Known]]:
    """Both ways: a pipe into the socket, the socket into a pipe."""
    client, server = accepting(stage), stage.place.server(comm)
    client.begin("c = accept(l)", "take(c, 60000)", "c.sendall(bytes(300000))")
    server.do(
        f"c = socket.create_connection(({CLIENT!r}, {stage.port}))",
        "r, w = os.pipe(); os.write(w, bytes(60000))",
        "sent = 0",
        "while sent < 60000:\n    sent += os.splice(r, c.fileno(), 60000 - sent)",
        "got = 0",
        "while got < 300000:\n    n = os.splice(c.fileno(), w, 60000); os.read(r, 60000); got += n",
    )
    client.wait()
    yield [Known(comm, 300_000, 60_000)]
    _close(client, server)


@contextmanager
def by_io_uring(stage: Stage, comm: str, *, sends: bool) -> Iterator[list[Known]]:
    client, size = accepting(stage), 500_000
    client.begin("c = accept(l)", f"take(c, {size})" if sends else f"c.sendall(bytes({size}))")
    way = "uring-send" if sends else "uring-receive"
    mover = stage.program(
        stage.place.lab.server, comm, ["mover", way, CLIENT, str(stage.port), str(size)]
    )
    begin(mover)
    client.wait()
    moved = said(mover)
    yield [Known(comm, 0, moved) if sends else Known(comm, moved, 0)]
    client.do("c.close(); l.close()")
    stage.place.lab.server.end(mover)
    client.end()


@contextmanager
def drip(stage: Stage, comm: str) -> Iterator[list[Known]]:
    """A byte each way every 10 ms."""
    client, server = accepting(stage), stage.place.server(comm)
    client.begin("c = accept(l)", "for _ in range(60): c.sendall(c.recv(1))")
    server.do(
        f"c = socket.create_connection(({CLIENT!r}, {stage.port}))",
        "for _ in range(60): c.sendall(b'x'); c.recv(1); time.sleep(0.01)",
    )
    client.wait()
    yield [Known(comm, 60, 60)]
    _close(client, server)


@contextmanager
def small_connections(stage: Stage, comm: str, *, count: int = 2000) -> Iterator[list[Known]]:
    """One after the other; the other end closes first."""
    client, server = accepting(stage), stage.place.server(comm)
    client.begin(
        f"for _ in range({count}):\n    c = accept(l); take(c, 10); c.sendall(bytes(20)); c.close()"
    )
    server.do(
        f"for _ in range({count}):\n"
        f"    c = socket.create_connection(({CLIENT!r}, {stage.port})); c.sendall(bytes(10))\n"
        "    take(c, 20); assert not c.recv(1); c.close()"
    )
    client.wait()
    yield [Known(comm, count * 20, count * 10)]
    client.end()


@contextmanager
def burst(stage: Stage, comm: str, *, count: int = 50) -> Iterator[list[Known]]:
    """Many connections at once, each of a thread of its own."""
    client, server = accepting(stage), stage.place.server(comm)
    client.begin(
        "def serve(c):\n    take(c, 9000); c.sendall(bytes(20000)); c.close()",
        f"threads = [threading.Thread(target=serve, args=(accept(l),)) for _ in range({count})]",
        "for one in threads: one.start()",
        "for one in threads: one.join()",
    )
    server.do(
        f"all = [socket.create_connection(({CLIENT!r}, {stage.port})) for _ in range({count})]",
        "def talk(c):\n    c.sendall(bytes(9000)); take(c, 20000); assert not c.recv(1); c.close()",
        "threads = [threading.Thread(target=talk, args=(c,)) for c in all]",
        "for one in threads: one.start()",
        "for one in threads: one.join()",
    )
    client.wait()
    yield [Known(comm, count * 20_000, count * 9000)]
    client.end()


@contextmanager
def loopback(stage: Stage, comm: str) -> Iterator[list[Known]]:
    """Both ends are watched. What nftables is to count are segments."""
    stage.place.lab.server.run(["ip", "link", "set", "dev", "lo", "gso_max_segs", "1"])
    listener, caller = stage.place.server(f"{comm}l"), stage.place.server(comm)
    listener.do("l = socket.create_server(('127.0.0.1', 5002))")
    listener.begin("c = accept(l)", "take(c, 80000)", "c.sendall(bytes(120000))")
    caller.do(
        "c = socket.create_connection(('127.0.0.1', 5002))",
        "c.sendall(bytes(80000))",
        "take(c, 120000)",
    )
    listener.wait()
    yield [Known(comm, 120_000, 80_000), Known(f"{comm}l", 80_000, 120_000)]
    caller.end()
    listener.end()


@contextmanager
def accepted(stage: Stage, comm: str) -> Iterator[list[Known]]:
    """The watched process is the server."""
    client, server = stage.place.client(), stage.place.server(comm)
    server.do(f"l = socket.create_server(({SERVER!r}, {stage.port}))")
    server.begin("c = accept(l)", "take(c, 40000)", "c.sendall(bytes(90000))")
    client.do(
        f"c = socket.create_connection(({SERVER!r}, {stage.port}))",
        "c.sendall(bytes(40000))",
        "take(c, 90000)",
        "l = c",
    )
    server.wait()
    yield [Known(comm, 40_000, 90_000)]
    _close(client, server)
    server.do("l.close()")


SCENARIOS = (
    Scenario("TCP up", _TCP, partial(stream, sends=1_000_000, takes=0)),
    Scenario("TCP down", _TCP, partial(stream, sends=0, takes=1_000_000)),
    Scenario("TCP duplex", _TCP, partial(stream, sends=600_000, takes=800_000)),
    Scenario("TCP, accepted", _TCP, accepted),
    Scenario("TCP over IPv6", _TCP, partial(stream, sends=300_000, takes=400_000, address=CLIENT6)),
    Scenario("io_uring up", _TCP, partial(by_io_uring, sends=True)),
    Scenario("io_uring down", _TCP, partial(by_io_uring, sends=False)),
    Scenario("sendfile", _TCP, by_sendfile),
    Scenario("splice, both ways", _TCP, by_splice),
    Scenario("slow drip", _TCP, drip),
    Scenario("2,000 small connections", _TCP, small_connections, are_open=False),
    Scenario("parallel burst of 50", _TCP, burst, are_open=False),
    Scenario("loopback", _TCP, loopback, is_local=True, has_flows=False),
    Scenario(
        "SCTP",
        _SCTP,
        partial(stream, sends=50_000, takes=70_000, protocol=_SCTP),
        needs_socket=(socket.AF_INET, socket.SOCK_STREAM, _SCTP),
    ),
)
