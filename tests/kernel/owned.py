# SPDX-License-Identifier: MIT
"""A server in a watched cgroup, a client outside it, and what is reported of them.

Offloads are off, so what nftables counts in the client's namespace are the packets and bytes of the
sockets.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from tests.kernel.program import Program, free_pin_dir
from tests.lab import nftables, processes
from tests.lab.cgroup import own_cgroup
from tests.lab.lab import Lab
from tests.lab.worker import Worker

SERVER, CLIENT = "10.0.1.2", "10.0.1.1"
SERVER6 = "fd00:0:0:1::2"
SOCKET_COUNTS = ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes")
COUNTS = (*SOCKET_COUNTS, "app_rx_bytes", "app_tx_bytes", "connections")
Row = dict[str, Any]


@dataclass
class Place:
    """A lab with `trafficmon` attached to the server's interface, and a cgroup."""

    lab: Lab
    program: Program
    cgroup: Path
    workers: list[Worker] = field(default_factory=list)

    def attach(self, *options: str) -> None:
        """All layers, unless ``options`` say otherwise."""
        processes.check(self.try_to_attach(*options))

    def try_to_attach(self, *options: str) -> CompletedProcess[str]:
        """Whatever comes of it."""
        named = ("--iface", self.lab.server_if, "--cgroup", str(self.cgroup))
        return self.program.run("attach", *named, *options, check=False)

    def server(self, name: str) -> Worker:
        """In the watched cgroup."""
        made = Worker(self.lab.server, name, self.cgroup)
        self.workers.append(made)
        return made

    def client(self) -> Worker:
        """Outside it, at the other end of the wire."""
        made = Worker(self.lab.client, "tm-client")
        self.workers.append(made)
        return made

    def count_at_client(self, match: str = "ip protocol != icmp") -> None:
        """Let nftables count there what ``match`` selects."""
        nftables.count_local(self.lab.client, match)

    def counted_at_client(self) -> tuple[nftables.Count, nftables.Count]:
        """Received from the server, and sent to it."""
        return nftables.counted_local(self.lab.client)

    def process(self, worker: Worker) -> Row:
        """Its row of `top processes`."""
        (row,) = (row for row in self.program.rows("processes") if row["pid"] == worker.pid)
        return row

    def total(self, table: str) -> dict[str, int]:
        rows = self.program.rows(table)
        return {name: sum(row[name] for row in rows) for name in COUNTS}


@contextmanager
def place_of(*, attach: bool, offloads: bool = False) -> Iterator[Place]:
    with Lab(offloads=offloads) as lab, own_cgroup("owners") as cgroup:
        place = Place(lab, Program(lab.server, free_pin_dir()), cgroup)
        try:
            if attach:
                place.attach()
            yield place
        finally:
            place.program.run("detach")
            for worker in place.workers:
                worker.end()


def family_of(address: str) -> str:
    """The expression that a worker opens a socket with."""
    return "socket.AF_INET6" if ":" in address else "socket.AF_INET"


def listen(worker: Worker, port: int = 5000, address: str = SERVER) -> None:
    worker.do(f"l = socket.create_server(({address!r}, {port}), family={family_of(address)})")


def connect_to(worker: Worker, port: int = 5000, address: str = SERVER) -> None:
    worker.do(f"c = socket.create_connection(({address!r}, {port}))")


def connected(place: Place, name: str = "tm-server") -> tuple[Worker, Worker]:
    server, client = place.server(name), place.client()
    listen(server)
    connect_to(client)
    server.do("c = accept(l)")
    return server, client


def exchange(server: Worker, client: Worker, there: int, back: int) -> None:
    """So many bytes to the server, so many back, and all of them read."""
    server.begin(f"take(c, {there})", f"c.sendall(bytes({back}))")
    client.do(f"c.sendall(bytes({there}))", f"take(c, {back})")
    server.wait()


def only_connection(place: Place) -> Row:
    """The row of the one connection that is not a listener."""
    (row,) = (row for row in place.program.rows("connections") if row["remote_port"])
    return row


def app(row: Row) -> tuple[int, int]:
    return row["app_rx_bytes"], row["app_tx_bytes"]


def sums_agree(place: Place) -> dict[str, int]:
    """Users, processes, cgroups and the layer itself: at rest all the same."""
    users = place.total("users")
    assert users == place.total("processes") == place.total("cgroups")
    layers = {row["layer"]: row for row in place.program.rows("layers")}
    assert {name: users[name] for name in SOCKET_COUNTS} == {
        name: layers["cgroup"][name] for name in SOCKET_COUNTS
    }
    assert app(users) == (layers["app"]["rx_bytes"], layers["app"]["tx_bytes"])
    return users


def close_all(*workers: Worker) -> None:
    for worker in workers:
        worker.do("c.close()")
