# SPDX-License-Identifier: MIT
"""Containers: flows of the outer interface have the owner of the socket inside.

The container is a network namespace behind the watched host; its packets are forwarded, as they are
or translated (NAT), and have no socket any more when they pass the watched interface.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kernel.owned import CLIENT, SERVER, Place, close_all, family_of, listen, place_of
from tests.lab import nftables
from tests.lab.namespace import Namespace
from tests.lab.requirements import LabError
from tests.lab.veth import IpVersion, Link, add_host, connect
from tests.lab.worker import Worker
from trafficmon.host import netns

pytestmark = pytest.mark.kernel

INSIDE = {4: "10.0.7.1", 6: "fd00:0:0:7::1"}
GATEWAY = {4: "10.0.7.2", 6: "fd00:0:0:7::2"}
OUTER = {4: SERVER, 6: "fd00:0:0:1::2"}
PEER = {4: CLIENT, 6: "fd00:0:0:1::1"}
TRANSLATE = """
table inet tmnat {
  chain out { type nat hook postrouting priority srcnat; oifname "tmserver" masquerade; }
  chain in {
    type nat hook prerouting priority dstnat
    iifname "tmserver" tcp dport 8080 dnat ip to 10.0.7.1:80
  }
}
"""


@dataclass
class Host:
    """The place, and a container behind its host."""

    place: Place
    container: Namespace
    link: Link

    def inside(self, name: str) -> Worker:
        """A process of the container's, in the watched cgroup."""
        made = Worker(self.container, name, self.place.cgroup)
        self.place.workers.append(made)
        return made

    def translate(self) -> None:
        """As container engines do it."""
        try:
            nftables.load(self.place.lab.server, TRANSLATE)
        except LabError as error:
            pytest.skip(f"this kernel translates no addresses: {error}")

    @contextmanager
    def captured(self, folder: Path, *filters: str) -> Iterator[list[Counter[tuple[str, str]]]]:
        """Packets by way ("1" in, "2" out) and owner, for each filter; when the capture ends."""
        reported: list[Counter[tuple[str, str]]] = []
        with ExitStack() as open_:
            running = []
            for place, filter_text in enumerate(filters):
                out = str(folder / f"{place}.pcapng")
                command = ("capture", "--filter", filter_text, "-w", out)
                capture = self.place.program.running(*command, until="capturing")
                running.append(open_.enter_context(capture))
            yield reported
            time.sleep(0.2)
            for place, one in enumerate(running):
                one.interrupt()
                reported.append(self.packets_of(folder / f"{place}.pcapng"))

    def packets_of(self, path: Path) -> Counter[tuple[str, str]]:
        fields = ("-e", "frame.packet_flags_direction", "-e", "frame.comment")
        argv = ["tshark", "-r", str(path), "-T", "fields", *fields]
        lines = self.container.run(argv).stdout.splitlines()
        way_and_comment = [line.split("\t") for line in lines]
        return Counter((str(int(way, 0)), comment) for way, comment in way_and_comment)

    def reported(self, port: int) -> list[tuple[str, int | None, str | None]]:
        """Local address, pid and name of each flow of the outer interface with that port."""
        rows = self.place.program.rows("flows", "--filter", f"port {port}")
        return [(row["local_addr"], row["pid"], row["comm"]) for row in rows]


@pytest.fixture
def host() -> Iterator[Host]:
    with Namespace("container") as container, place_of(attach=False) as place:
        lab = place.lab
        link = connect(container, lab.server, names=("tminside", "tmoutside"), network=7)
        forwarding = ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        lab.server.run(["sysctl", "-qw", *forwarding])
        for version in (4, 6):
            network = {4: "10.0.7.0/24", 6: "fd00:0:0:7::/64"}[version]
            container.run(["ip", "route", "add", "default", "via", GATEWAY[version]])
            lab.client.run(["ip", "route", "add", network, "via", OUTER[version]])
        place.attach()
        with lab.server.inside():
            if not netns.cookie():
                pytest.skip("this kernel does not distinguish network namespaces (5.14)")
        yield Host(place, container, link)


def listening(place: Place, address: str) -> Worker:
    client = place.client()
    listen(client, address=address)
    return client


@pytest.mark.parametrize("translated", [False, True])
@pytest.mark.parametrize("version", [4, 6])
def test_what_a_container_opens(host: Host, version: IpVersion, translated: bool) -> None:
    """While it is open, and when socket and process are gone."""
    if translated:
        host.translate()
    client = listening(host.place, PEER[version])
    inside = host.inside("tm-inside")
    inside.do(f"c = socket.create_connection(({PEER[version]!r}, 5000)); c.sendall(bytes(3000))")
    client.do("a = accept(l); take(a, 3000); a.sendall(bytes(500))")
    inside.do("take(c, 500)")
    expected = [(OUTER[version] if translated else INSIDE[version], inside.pid, "tm-inside")]
    assert host.reported(5000) == expected
    close_all(inside)
    inside.end()
    assert host.reported(5000) == expected


def test_what_a_container_serves(host: Host) -> None:
    """The worker that has taken the connection over is reported, not who listens."""
    host.translate()
    inside, client = host.inside("tm-serves"), host.place.client()
    inside.do(
        f"l = socket.create_server(({INSIDE[4]!r}, 80))",
        "child = os.fork()",
        "if not child:\n"
        "    c = accept(l); take(c, 1000); time.sleep(1.2); c.sendall(bytes(2000))\n"
        "    assert not c.recv(1); os._exit(0)",
    )
    client.do(
        f"c = socket.create_connection(({OUTER[4]!r}, 8080))",
        "c.sendall(bytes(1000)); take(c, 2000); c.close()",
    )
    inside.do("os.waitpid(child, 0)")
    ((address, pid, comm),) = host.reported(8080)
    assert (address, comm) == (OUTER[4], "tm-serves")
    assert pid not in (None, inside.pid)


@pytest.mark.parametrize("version", [4, 6])
def test_what_a_containers_worker_takes_over(host: Host, version: IpVersion) -> None:
    """Another process than who listens, while the connection continues; none is translated."""
    inside, client = host.inside("tm-serves"), host.place.client()
    listen(inside, 80, INSIDE[version])
    client.do(f"c = socket.create_connection(({INSIDE[version]!r}, 80)); c.sendall(bytes(1000))")
    inside.do(
        "c = accept(l); take(c, 1000); c.sendall(b'x'); child = os.fork()",
        "if not child: take(c, 1000); c.sendall(bytes(2000)); c.close(); os._exit(0)",
        "c.close()",
    )
    client.do("c.sendall(bytes(1000)); take(c, 2001); assert not c.recv(1); c.close()")
    inside.do("os.waitpid(child, 0)")
    ((address, pid, comm),) = host.reported(80)
    assert (address, comm) == (INSIDE[version], "tm-serves")
    assert pid not in (None, inside.pid)


@pytest.mark.parametrize("version", [4, 6])
def test_what_a_container_serves_as_it_is(host: Host, version: IpVersion) -> None:
    """Nothing is translated: the accepted connection is known by what came in first."""
    inside, client = host.inside("tm-serves"), host.place.client()
    listen(inside, 80, INSIDE[version])
    client.do(f"c = socket.create_connection(({INSIDE[version]!r}, 80)); c.sendall(bytes(1000))")
    inside.do("c = accept(l); take(c, 1000); c.sendall(bytes(2000))")
    client.do("take(c, 2000)")
    close_all(client, inside)
    assert host.reported(80) == [(INSIDE[version], inside.pid, "tm-serves")]


@pytest.mark.parametrize("version", [4, 6])
def test_a_datagrams_server_in_a_container(host: Host, version: IpVersion) -> None:
    """Each of its flows, begun by others; the two ends differ in both halves of their addresses."""
    family = family_of(INSIDE[version])
    inside, client = host.inside("tm-answers"), host.place.client()
    address = add_host(host.link.left, host.link.right, 119).address(version)
    inside.do(f"u = socket.socket({family}, socket.SOCK_DGRAM); u.bind(({address!r}, 80))")
    client.do(
        f"all = [socket.socket({family}, socket.SOCK_DGRAM) for _ in range(3)]",
        f"for u in all: u.sendto(b'x', ({address!r}, 80))",
    )
    inside.do("for _ in range(3): u.sendto(b'yy', u.recvfrom(9)[1])")
    client.do("for u in all: u.recv(9)")
    assert host.reported(80) == [(address, inside.pid, "tm-answers")] * 3


@pytest.mark.parametrize("is_connected", [True, False])
def test_datagrams(host: Host, is_connected: bool) -> None:
    host.translate()
    client, inside = host.place.client(), host.inside("tm-asks")
    client.do(f"s = socket.socket(type=socket.SOCK_DGRAM); s.bind(({CLIENT!r}, 6000))")
    inside.do("s = socket.socket(type=socket.SOCK_DGRAM)")
    if is_connected:
        inside.do(f"s.connect(({CLIENT!r}, 6000)); s.send(bytes(100))")
    else:
        inside.do(f"s.sendto(bytes(100), ({CLIENT!r}, 6000))")
    client.do("data, whom = s.recvfrom(200); s.sendto(bytes(300), whom)")
    inside.do("s.recv(400); s.close()")
    assert host.reported(6000) == [(OUTER[4], inside.pid, "tm-asks")]


def test_datagrams_to_and_from_many(host: Host) -> None:
    """One socket that is not connected, as a server's: all of its flows."""
    host.translate()
    client, inside = host.place.client(), host.inside("tm-many")
    client.do(
        "all = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(5)]",
        f"for number, s in enumerate(all): s.bind(({CLIENT!r}, 6000 + number))",
    )
    inside.do(
        "s = socket.socket(type=socket.SOCK_DGRAM)",
        f"for number in range(5): s.sendto(b'x', ({CLIENT!r}, 6000 + number))",
        "s.close()",
    )
    client.do("for s in all: s.recv(10)")
    for number in range(5):
        assert host.reported(6000 + number) == [(OUTER[4], inside.pid, "tm-many")]


def test_what_was_open_before_attach(host: Host) -> None:
    host.translate()
    host.place.program.run("detach")
    client, inside = listening(host.place, CLIENT), host.inside("tm-older")
    inside.do(f"c = socket.create_connection(({CLIENT!r}, 5000))")
    host.place.attach()
    inside.do("c.sendall(bytes(100))")
    client.do("a = accept(l); take(a, 100)")
    close_all(inside)
    inside.end()
    assert host.reported(5000) == [(OUTER[4], inside.pid, "tm-older")]


def test_what_is_forwarded_for_others_is_unattributed(host: Host) -> None:
    """Of a machine behind this one: no socket of it is here, or in a watched cgroup."""
    client = listening(host.place, CLIENT)
    other = Worker(host.container, "tm-other")
    host.place.workers.append(other)
    other.do(f"c = socket.create_connection(({CLIENT!r}, 5000)); c.sendall(bytes(10))")
    client.do("a = accept(l); take(a, 10)")
    assert host.reported(5000) == [(INSIDE[4], None, None)]


FILTERS = ("port 5000", "cgroup {cgroup}", "pid {pid}", "comm tm-inside")


@pytest.mark.parametrize(
    ("kind", "version", "translated"),
    [
        ("SOCK_STREAM", 4, True),
        ("SOCK_STREAM", 6, False),
        ("SOCK_DGRAM", 4, False),
        ("SOCK_DGRAM", 6, True),
    ],
)
def test_captures_of_what_a_container_exchanges(
    host: Host, tmp_path: Path, version: IpVersion, translated: bool, kind: str
) -> None:
    """Both directions, with the owner that the flow has; filters by owner miss no packet."""
    if translated:
        host.translate()
    inside, client = host.inside("tm-inside"), host.place.client()
    filters = [one.format(cgroup=f"/{host.place.cgroup.name}", pid=inside.pid) for one in FILTERS]
    family = family_of(PEER[version])
    client.do(f"l = socket.socket({family}, socket.{kind})", f"l.bind(({PEER[version]!r}, 5000))")
    with host.captured(tmp_path, *filters) as reported:
        inside.do(f"c = socket.socket({family}, socket.{kind})")
        if kind == "SOCK_STREAM":
            client.do("l.listen()")
            inside.do(f"c.connect(({PEER[version]!r}, 5000)); c.sendall(bytes(3000))")
            client.do("a = accept(l); take(a, 3000); a.sendall(bytes(500))")
            inside.do("take(c, 500)")
        else:
            inside.do(f"for n in range(3): c.sendto(bytes(99), ({PEER[version]!r}, 5000))")
            client.do("for n in range(3): l.sendto(bytes(9), l.recvfrom(200)[1])")
            inside.do("for n in range(3): c.recv(99)")
    every = reported[0]
    assert {way for way, _ in every} == {"1", "2"}
    assert {f"pid={inside.pid}" in comment for _, comment in every} == {True}
    assert reported[1:] == [every] * (len(FILTERS) - 1)


def test_a_capture_knows_the_owner_of_a_flow_without_ports(host: Host, tmp_path: Path) -> None:
    """And of one whose socket is closed by now: what comes in late, or was requested by no one."""
    sender = host.place.server("tm-asks")
    with host.captured(tmp_path, "proto icmp", f"pid {sender.pid}") as reported:
        sender.do(
            "s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
            "for n in range(3): "
            f"s.sendto(bytes([8, 0, 0xF7, 0xFF, 0, 0, 0, 0]), ({CLIENT!r}, 0)); s.recv(99)",
        )
    every, owned = reported
    assert sum(every.values()) == 6
    assert owned == every
