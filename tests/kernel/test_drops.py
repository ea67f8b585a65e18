# SPDX-License-Identifier: MIT
"""What the kernel drops: each loss once, against its own statistics; of the watched only."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from scapy.layers.inet import IP, UDP, IPOption
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from tests.kernel.owned import SERVER, SERVER6, Place, connect_to, listen, place_of
from tests.kernel.program import Program, attached
from tests.lab import nftables, raw
from tests.lab.cgroup import own_cgroup
from tests.lab.lab import Lab
from tests.lab.namespace import Namespace
from tests.lab.veth import IpVersion, Link, connect
from tests.lab.worker import Worker
from trafficmon.errors import BpfError
from trafficmon.layout import DROP, DROP_KEY
from trafficmon.libbpf import features
from trafficmon.libbpf.map import Map

pytestmark = pytest.mark.kernel

WATCHED = ("--layer", "tc,drops")
BLOCKED, CLOSED, FULL = 4001, 4002, 4003
RULES = f"""
table inet tmdrops {{
  chain in {{ type filter hook input priority 0; udp dport {BLOCKED} counter drop; }}
}}
"""
ELSEWHERE = {4: "10.77.0.1", 6: "fd77::1"}
# What /proc/net/snmp, snmp6 and netstat call the same packets, by reason.
WITNESSES = {
    4: {
        "no_socket": "Udp.NoPorts",
        "socket_rcvbuff": "Udp.RcvbufErrors",
        "udp_csum": "Udp.InCsumErrors",
        "ip_innoroutes": "IpExt.InNoRoutes",
        "ip_rpfilter": "TcpExt.IPReversePathFilter",
    },
    6: {
        "no_socket": "Udp6NoPorts",
        "socket_rcvbuff": "Udp6RcvbufErrors",
        "udp_csum": "Udp6InCsumErrors",
    },
}


def kernel_counts(namespace: Namespace) -> dict[str, int]:
    """All of /proc/net/snmp, snmp6 and netstat."""
    reported: dict[str, int] = {}
    with namespace.inside():
        for name in ("snmp", "netstat"):
            lines = Path(f"/proc/thread-self/net/{name}").read_text().splitlines()
            for header, values in zip(lines[::2], lines[1::2], strict=True):
                kind, *names = header.split()
                for each, value in zip(names, values.split()[1:], strict=True):
                    reported[f"{kind.removesuffix(':')}.{each}"] = int(value)
        for line in Path("/proc/thread-self/net/snmp6").read_text().splitlines():
            each, value = line.split()
            reported[each] = int(value)
    return reported


@dataclass
class Losses:
    """Packets from the left to the right end of a link, which the right one has to drop."""

    link: Link
    version: IpVersion

    def frame(self, port: int, src: str = "", dst: str = "") -> Packet:
        left, right = self.link.left, self.link.right
        make = IP if self.version == 4 else IPv6
        src, dst = src or left.address(self.version), dst or right.address(self.version)
        ip: Packet = make(src=src, dst=dst)
        return Ether(src=left.mac, dst=right.mac) / ip / UDP(sport=9, dport=port) / b"lost"

    def send(self, count: int, frame: Packet) -> None:
        raw.send_frames(self.link.left, [bytes(frame)] * count)

    def cause(self) -> Counter[str]:
        """Drops of every kind; how many there were, by reason, as the kernel counts them."""
        right = self.link.right
        before = kernel_counts(right.namespace)
        nftables.load(right.namespace, RULES)
        right.namespace.run(["sysctl", "-qw", f"net.ipv4.conf.{right.interface}.rp_filter=1"])
        forwarding = ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        right.namespace.run(["sysctl", "-qw", *forwarding])
        self.send(5, self.frame(BLOCKED))
        self.send(7, self.frame(CLOSED))
        broken = self.frame(CLOSED)
        broken[UDP].chksum = 1
        self.send(3, broken)
        self.send(11, self.frame(CLOSED, dst=ELSEWHERE[self.version]))
        if self.version == 4:
            self.send(4, self.frame(CLOSED, src="10.78.0.1"))
        self.overflow()
        ((blocked, _),) = nftables.counters(right.namespace, "tmdrops")
        after = kernel_counts(right.namespace)
        losses = Counter(
            {reason: after[n] - before[n] for reason, n in WITNESSES[self.version].items()}
        )
        losses["netfilter_drop"] = blocked
        if self.version == 6:
            losses["ip_innoroutes"] = after["Ip6InNoRoutes"] - before["Ip6InNoRoutes"]
        return losses

    def overflow(self) -> None:
        """A socket that no one reads from."""
        family = socket.AF_INET if self.version == 4 else socket.AF_INET6
        right = self.link.right
        with right.namespace.socket(family, socket.SOCK_DGRAM) as full:
            full.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            full.bind((right.address(self.version), FULL))
            self.send(50, self.frame(FULL))
            with pytest.raises(BlockingIOError):
                while True:
                    full.recv(100, socket.MSG_DONTWAIT)


def needs_reasons() -> None:
    if not features.kernel_enumerators("skb_drop_reason"):
        pytest.skip("this kernel tells no reasons of drops (5.17)")


def by_reason(program: Program) -> Counter[str]:
    reported: Counter[str] = Counter()
    for row in program.rows("drops"):
        assert row["kind"] == "loss"
        reported[row["reason"]] += row["packets"]
    return reported


@pytest.mark.parametrize("version", [4, 6])
def test_each_loss_is_counted_once(version: IpVersion) -> None:
    needs_reasons()
    with Lab() as lab, attached(lab.server, lab.server_if, options=WATCHED) as program:
        losses = Losses(lab.veth, version).cause()
        assert len(+losses) == len(losses) >= 5
        assert losses["no_socket"] == 7
        assert by_reason(program) == losses


@pytest.mark.parametrize("version", [4, 6])
def test_an_unwatched_namespace_is_not_shown(version: IpVersion) -> None:
    """The same traffic beside it, of processes outside of the watched cgroup."""
    with (
        Namespace("left") as left,
        Namespace("right") as right,
        own_cgroup("drops") as cgroup,
        Lab() as lab,
        attached(lab.server, lab.server_if, options=("--cgroup", str(cgroup))) as program,
        program.running(
            "events", "--json", "--type", "drop", "--all", until="listening"
        ) as running,
    ):
        losses = Losses(connect(left, right, network=9), version).cause()
        assert losses["netfilter_drop"] == 5
        time.sleep(0.3)
        running.interrupt()
        assert running.records() == []
        assert program.rows("drops", "--all") == []


@contextmanager
def container(place: Place) -> Iterator[tuple[Worker, Link]]:
    """A process of the watched cgroup in another namespace, and the link that leads there."""
    with Namespace("left") as left, Namespace("right") as right:
        link = connect(left, right, network=9)
        worker = Worker(right, "tm-inside", place.cgroup)
        try:
            yield worker, link
        finally:
            worker.end()


def lose_in(worker: Worker, link: Link, version: IpVersion) -> int:
    """Datagrams for which a socket of the worker has no room; how many, as the kernel counts."""
    family = "AF_INET" if version == 4 else "AF_INET6"
    worker.do(
        f"s = socket.socket(socket.{family}, socket.SOCK_DGRAM)",
        "s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)",
        f"s.bind(({link.right.address(version)!r}, {FULL}))",
    )
    losses = Losses(link, version)
    before = kernel_counts(link.right.namespace)
    losses.send(50, losses.frame(FULL))
    name = WITNESSES[version]["socket_rcvbuff"]
    lost = kernel_counts(link.right.namespace)[name] - before[name]
    assert lost > 10
    return lost


@pytest.mark.parametrize("version", [4, 6])
def test_sockets_of_the_watched_cgroup_are_watched_in_any_namespace(version: IpVersion) -> None:
    """And the interface is not given the name that its number has here."""
    needs_reasons()
    with place_of(attach=True) as place, container(place) as (worker, link):
        listening = ("events", "--json", "--type", "drop")
        with place.program.running(*listening, until="listening") as running:
            lost = lose_in(worker, link, version)
            time.sleep(0.3)
            running.interrupt()
            events = running.records()
        assert by_reason(place.program) == {"socket_rcvbuff": lost}
        assert [(e["reason"], e["interface"], e["kind"]) for e in events] == [
            ("socket_rcvbuff", None, "loss")
        ] * lost


@pytest.mark.parametrize("layers", ["cgroup", "cgroup,drops"])
def test_drops_watch_the_cgroup_though_its_layer_is_attached_after_theirs(
    layers: str,
) -> None:
    needs_reasons()
    with place_of(attach=False) as place:
        place.attach(*WATCHED)
        with container(place) as (worker, link):
            lose_in(worker, link, 4)
            assert by_reason(place.program) == {}, "no socket is watched yet"
        place.program.run("attach", "--layer", layers)
        with container(place) as (worker, link):
            lost = lose_in(worker, link, 4)
            assert by_reason(place.program) == {"socket_rcvbuff": lost}


@pytest.mark.parametrize("address", [SERVER, SERVER6])
def test_connections_that_are_closed_lose_nothing(address: str) -> None:
    """A hundred, whichever end is the first; the FIN that no one reads is housekeeping."""
    needs_reasons()
    ways = (
        ("c.close()", "c.recv(1); c.close()", ""),
        ("", "c.close()", "c.recv(1); c.close()"),
        ("c.shutdown(1)", "c.recv(1); c.close()", "c.recv(1); c.close()"),
        ("c.shutdown(1)", "c.shutdown(1); c.recv(1); c.close()", "c.recv(1); c.close()"),
        ("", "c.shutdown(1); c.close()", "time.sleep(0.01); c.close()"),
    )
    listening = ("events", "--json", "--type", "drop")
    with place_of(attach=True) as place:
        server, client = place.server("tm-server"), place.client()
        listen(server, address=address)
        with place.program.running(*listening, until="listening") as running:
            for first, then, last in ways:
                for _ in range(20):
                    server.begin("c = accept(l)")
                    connect_to(client, address=address)
                    server.wait()
                    client.do(first or "pass")
                    server.do(then)
                    client.do(last or "pass")
            time.sleep(0.3)
            running.interrupt()
            assert running.records() == []
        assert place.program.rows("drops") == []
        every = place.program.rows("drops", "--all")
    assert {row["kind"] for row in every} == {"housekeeping"}
    assert sum(row["packets"] for row in every) >= 20


@pytest.mark.parametrize("version", [4, 6])
def test_what_a_drop_says(version: IpVersion) -> None:
    """Both ends and the size, as scapy made them; in sum the bytes that nftables dropped."""
    with Lab() as lab, attached(lab.server, lab.server_if, options=WATCHED) as program:
        losses = Losses(lab.veth, version)
        nftables.load(lab.server, RULES)
        sent = []
        listening = ("events", "--json", "--type", "drop")
        with program.running(*listening, until="listening") as running:
            for number in range(6):
                frame = losses.frame(BLOCKED)
                frame[UDP].sport = 300 + number
                if version == 4 and number % 2:
                    frame[IP].options = IPOption(b"\x01" * 4)
                made = Ether(bytes(frame / (b"x" * 100 * number)))
                sent.append((300 + number, BLOCKED, len(made) - 14))
                losses.send(1, made)
            time.sleep(0.3)
            running.interrupt()
            events = running.records()
        rows = program.rows("drops")
        ((packets, octets),) = nftables.counters(lab.server, "tmdrops")
    assert [(e["src_port"], e["dst_port"], e["bytes"]) for e in events] == sent
    ends = {(e["protocol"], e["src_addr"], e["dst_addr"], e["interface"]) for e in events}
    left, right = lab.veth.left, lab.veth.right
    assert ends == {("udp", left.address(version), right.address(version), lab.server_if)}
    assert sum(row["packets"] for row in rows) == packets == len(sent)
    assert sum(row["bytes"] for row in rows) == octets


def test_what_the_table_has_no_room_for_is_in_one_row() -> None:
    with Lab() as lab, attached(lab.server, lab.server_if, options=WATCHED) as program:
        losses = Losses(lab.veth, 4)
        losses.send(1, losses.frame(CLOSED))
        with Map.from_pin(str(program.pin_dir / "maps" / "drops")) as table:
            room = table.facts().max_entries
            filled = np.zeros(room, DROP_KEY)
            filled["location"], filled["ethertype"] = np.arange(room) + (1 << 20), 0x800
            ones = np.ones(1, DROP)[0].tobytes()
            with pytest.raises(BpfError):
                for key in filled:
                    table.update(key.tobytes(), ones)
        nftables.load(lab.server, RULES)
        losses.send(5, losses.frame(BLOCKED))
        (others,) = (row for row in program.rows("drops") if row["location"] == "other places")
    assert (others["packets"], others["kind"]) == (5, "loss")
    assert others["bytes"] == 5 * 32  # IP and UDP headers, and what is in it


def test_all_is_for_drops() -> None:
    with Lab() as lab, attached(lab.server, lab.server_if, options=WATCHED) as program:
        done = program.run("top", "flows", "--all", check=False)
    assert done.returncode == 2
    assert "--all is for the table drops" in done.stderr
