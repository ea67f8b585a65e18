# SPDX-License-Identifier: MIT
"""What looks alike and is not: addresses of different links, and numbers that are no ports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.kernel.owned import SERVER, Place
from tests.kernel.program import Program, attached
from tests.lab.lab import Lab
from tests.lab.namespace import Namespace
from tests.lab.veth import Link, connect
from tests.lab.worker import Worker

pytestmark = pytest.mark.kernel
OURS, THEIRS = "fe80::2", "fe80::1"


@dataclass
class TwoLinks:
    """A host on two links, and on each a neighbour that calls itself fe80::1."""

    program: Program
    host: Namespace
    names: tuple[str, str]

    def send(self, name: str, count: int) -> None:
        code = (
            "import socket\n"
            "s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n"
            f"for n in range({count}): s.sendto(bytes(10), {scoped(name)})\n"
        )
        self.host.run(["python3", "-c", code])


def scoped(name: str) -> str:
    """The neighbour on a link, as Python's code."""
    return f"('{THEIRS}', 9, 0, socket.if_nametoindex('{name}'))"


def give_link_local(link: Link) -> None:
    """fe80::1 at the left end, fe80::2 at the right one; each knows the other."""
    for near, far, own, other in (
        (link.left, link.right, THEIRS, OURS),
        (link.right, link.left, OURS, THEIRS),
    ):
        device = ["dev", near.interface]
        near.namespace.run(["ip", "address", "add", f"{own}/64", *device, "nodad"])
        neighbour = [other, "lladdr", far.mac, "nud", "permanent", *device]
        near.namespace.run(["ip", "neighbour", "replace", *neighbour])


@contextmanager
def two_links() -> Iterator[TwoLinks]:
    with Lab() as lab, Namespace("other") as other:
        second = connect(other, lab.server, names=("tmother", "tmsecond"), network=9)
        for link in (lab.veth, second):
            give_link_local(link)
        names = (lab.server_if, "tmsecond")
        with attached(lab.server, *names, options=("--layer", "tc")) as program:
            yield TwoLinks(program, lab.server, names)


def test_one_address_on_two_links_is_two_hosts() -> None:
    with two_links() as links:
        for name, count in zip(links.names, (3, 5), strict=True):
            links.send(name, count)
        program = links.program
        hosts = {row["remote_addr"]: row["tx_packets"] for row in program.rows("hosts")}
        assert hosts == {f"{THEIRS}%{name}": n for name, n in zip(links.names, (3, 5), strict=True)}
        flows = program.rows("flows")
        ends = {(row["interface"], row["local_addr"], row["remote_addr"]) for row in flows}
        assert ends == {(n, f"{OURS}%{n}", f"{THEIRS}%{n}") for n in links.names}
        for table in ("hosts", "flows"):
            found = program.rows(table, "--filter", f"host {THEIRS}")
            assert sum(row["tx_packets"] for row in found) == 8


def test_an_address_of_all_links_is_one_host_on_two() -> None:
    """From the other side: what is not of a link has none behind it."""
    address, code = (
        "fd00:0:0:1::1",
        (
            "import socket, sys\n"
            "for name in sys.argv[2:]:\n"
            "    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n"
            "    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name.encode())\n"
            "    s.sendto(b'x', (sys.argv[1], 9))\n"
        ),
    )
    with two_links() as links:
        second = ["dev", links.names[1]]
        links.host.run(["ip", "-6", "route", "replace", address, *second])
        neighbour = [address, "lladdr", "02:00:00:00:00:09", "nud", "permanent", *second]
        links.host.run(["ip", "neighbour", "replace", *neighbour])
        links.host.run(["python3", "-c", code, address, *links.names])
        (row,) = links.program.rows("hosts")
    assert (row["remote_addr"], row["tx_packets"]) == (address, 2)


def test_a_connection_has_the_link_that_its_addresses_are_of(place: Place) -> None:
    give_link_local(place.lab.veth)
    name = place.lab.server_if
    worker: Worker = place.server("tm-links")
    worker.do(
        "s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)",
        f"s.connect({scoped(name)}); s.send(b'x')",
    )
    (row,) = place.program.rows("connections")
    assert (row["local_addr"], row["remote_addr"]) == (f"{OURS}%{name}", f"{THEIRS}%{name}")
    (found,) = place.program.rows("connections", "--filter", f"host {THEIRS}")
    assert found["local_port"] == row["local_port"]


@pytest.mark.parametrize(
    ("family", "kind", "protocol", "name"),
    [
        ("AF_INET", "SOCK_RAW", 1, "icmp"),
        ("AF_INET6", "SOCK_RAW", 58, "icmpv6"),
        ("AF_INET", "SOCK_RAW", 6, "tcp"),
        ("AF_INET", "SOCK_RAW", 17, "udp"),
        ("AF_INET", "SOCK_RAW", 89, "ospf"),
        ("AF_INET", "SOCK_DGRAM", 1, "icmp"),
    ],
)
def test_a_number_that_is_no_port_is_shown_as_none(
    place: Place, family: str, kind: str, protocol: int, name: str
) -> None:
    worker = place.server("tm-raw")
    worker.do(f"s = socket.socket(socket.{family}, socket.{kind}, {protocol})")
    if kind == "SOCK_DGRAM":  # has an identifier from its first message on
        worker.do("s.sendto(bytes([8, 0, 0, 0, 0, 0, 0, 0]), ('10.0.1.1', 0))")
    (row,) = place.program.rows("connections")
    assert (row["protocol"], row["pid"]) == (name, worker.pid)
    assert (row["local_port"], row["remote_port"]) == (None, None)
    assert (row["state"], row["role"]) == (None, None)
    assert place.program.rows("connections", "--filter", f"port {protocol}") == []


def test_a_datagram_socket_keeps_its_port(place: Place) -> None:
    """And a raw socket of UDP does not take its flows."""
    raw, bound = place.server("tm-raw"), place.server("tm-bound")
    raw.do("s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 17)")
    bound.do("s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)", f"s.bind(({SERVER!r}, 17))")
    rows = place.program.rows("connections", "--filter", "port 17")
    assert [(row["local_port"], row["pid"]) for row in rows] == [(17, bound.pid)]
