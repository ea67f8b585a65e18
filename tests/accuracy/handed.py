# SPDX-License-Identifier: MIT
"""Scenarios in which it is not plain whose a socket is."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from tests.accuracy.scenario import Scenario
from tests.accuracy.stage import Known, Stage
from tests.accuracy.streams import accepting
from tests.kernel.owned import CLIENT, SERVER
from tests.lab.cgroup import own_cgroup
from tests.lab.namespace import Namespace
from tests.lab.veth import connect
from tests.lab.worker import Worker

_TCP = socket.IPPROTO_TCP


@contextmanager
def passed_on(stage: Stage, comm: str) -> Iterator[list[Known]]:
    """By SCM_RIGHTS, in the middle of a connection."""
    client = accepting(stage)
    first, second = stage.place.server(comm), stage.place.server(f"{comm}s")
    name = f"\\0tm{comm}"
    client.begin("c = accept(l)", "take(c, 1000)", "c.sendall(bytes(2000))")
    second.do(f"u = socket.socket(socket.AF_UNIX); u.bind('{name}'); u.listen()")
    first.do(
        f"c = socket.create_connection(({CLIENT!r}, {stage.port}))",
        "c.sendall(bytes(1000))",
        "take(c, 2000)",
        f"u = socket.socket(socket.AF_UNIX); u.connect('{name}')",
    )
    client.wait()
    first.do("socket.send_fds(u, [b'x'], [c.fileno()]); c.close()")
    client.begin("take(c, 300)", "c.sendall(bytes(400))")
    second.do(
        "p = accept(u)",
        "c = socket.socket(fileno=socket.recv_fds(p, 1, 1)[1][0])",
        "c.sendall(bytes(300))",
        "take(c, 400)",
    )
    client.wait()
    yield [Known(comm, 2000, 1000), Known(f"{comm}s", 400, 300)]
    client.do("c.close(); l.close()")
    second.do("c.close()")
    client.end()


@contextmanager
def forked(stage: Stage, comm: str) -> Iterator[list[Known]]:
    """A forking server: connections are its children's, under a name that those have taken."""
    client, server = stage.place.client(), stage.place.server(comm)
    child = f"{comm}c"
    server.do(f"l = socket.create_server(({SERVER!r}, {stage.port}))")
    server.begin(
        "for _ in range(10):\n"
        "    c = accept(l)\n"
        "    if not os.fork():\n"
        f"        open('/proc/self/comm', 'w').write({child!r})\n"
        "        take(c, 500); c.sendall(bytes(700)); assert not c.recv(1); os._exit(0)\n"
        "    c.close()",
        "for _ in range(10): os.wait()",
    )
    client.do(
        "for _ in range(10):\n"
        f"    c = socket.create_connection(({SERVER!r}, {stage.port}))\n"
        "    c.sendall(bytes(500)); take(c, 700); c.close()"
    )
    server.wait()
    # The handshakes are the listener's.
    yield [Known(child, 10 * 500, 10 * 700, processes=10), Known(comm, 0, 0)]
    server.do("l.close()")
    client.end()


@contextmanager
def older_than_attach(stage: Stage, comm: str) -> Iterator[list[Known]]:
    """What had passed before is not counted; who it was is known."""
    place = stage.place
    place.program.run("detach")
    client, server = accepting(stage), place.server(comm)
    client.begin("c = accept(l)", "take(c, 5000)", "c.sendall(bytes(6000))")
    server.do(
        f"c = socket.create_connection(({CLIENT!r}, {stage.port}))",
        "c.sendall(bytes(5000))",
        "take(c, 6000)",
    )
    client.wait()
    stage.pause()
    place.attach()
    if stage.witness:
        stage.witness.restart()
    client.begin("take(c, 700)", "c.sendall(bytes(800))")
    server.do("c.sendall(bytes(700))", "take(c, 800)")
    client.wait()
    yield [Known(comm, 800, 700)]
    client.do("c.close(); l.close()")
    server.do("c.close()")
    client.end()


@contextmanager
def in_a_container(stage: Stage, comm: str) -> Iterator[list[Known]]:
    """In a namespace and a cgroup of its own, behind the host that is watched."""
    lab = stage.place.lab
    with (
        own_cgroup("box", below=stage.place.cgroup) as cgroup,
        Namespace("box") as box,
    ):
        link = connect(lab.server, box, names=("tmbridge", "tmbox"), network=7)
        lab.server.run(["sysctl", "-qw", "net.ipv4.ip_forward=1"])
        box.run(["ip", "route", "add", "default", "via", link.left.ipv4])
        lab.client.run(["ip", "route", "replace", "10.0.7.0/24", "via", SERVER])
        client, inside = accepting(stage), Worker(box, comm, cgroup)
        client.begin("c = accept(l)", "take(c, 90000)", "c.sendall(bytes(150000))")
        inside.do(
            f"c = socket.create_connection(({CLIENT!r}, {stage.port}))",
            "c.sendall(bytes(90000))",
            "take(c, 150000)",
        )
        client.wait()
        yield [Known(comm, 150_000, 90_000)]
        client.do("c.close(); l.close()")
        inside.do("c.close()")
        inside.end()
        client.end()


SCENARIOS = (
    Scenario("passed on (SCM_RIGHTS)", _TCP, passed_on, are_open=False),
    Scenario("forking server", _TCP, forked, are_open=False),
    Scenario("in a namespace and cgroup of its own", _TCP, in_a_container, flows_while_open=True),
    Scenario("opened before attach", _TCP, older_than_attach, are_open=False),
)
