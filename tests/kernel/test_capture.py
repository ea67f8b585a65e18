# SPDX-License-Identifier: MIT
"""What is captured, against tcpdump's capture of the same packets."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import TCP, UDP
from scapy.layers.l2 import Ether
from scapy.utils import RawPcapNgReader, RawPcapReader

from tests.kernel import leftovers
from tests.kernel.owned import SERVER, Place, close_all, connected, exchange
from tests.kernel.program import Program, Running, attached
from tests.lab import raw, traffic
from tests.lab.lab import Lab, mixed_traffic
from tests.lab.pktgen import PacketGenerator

pytestmark = pytest.mark.kernel

FILTERS = (
    ("host 10.0.1.1", "ip host 10.0.1.1"),
    ("host 10.0.1.2", "ip host 10.0.1.2"),
    ("local host 10.0.1.2 and dir in", "ip dst host 10.0.1.2 and inbound"),
    ("host 10.0.1.0/24", "ip net 10.0.1.0/24"),
    ("host fd00:0:0:1::/64", "net fd00:0:0:1::/64"),
    ("ip", "ip"),
    ("ip6", "ip6"),
    ("proto tcp", "tcp"),
    ("proto udp", "udp"),
    ("proto icmp", "icmp"),
    ("proto icmpv6", "icmp6"),
    ("port 8080", "port 8080"),
    ("port 8000-9000", "portrange 8000-9000"),
    ("proto tcp and port 8081", "tcp port 8081"),
    ("proto udp and not port 9000", "udp and not port 9000"),
    ("not ip and not ip6", "not ip and not ip6"),
    ("dir in", "inbound"),
    ("dir out", "outbound"),
    ("proto gre or proto esp", "ip proto 47 or ip6 proto 47 or ip proto 50 or ip6 proto 50"),
    ("proto sctp", "sctp"),
    ("(port 8080 or port 9000) and host 10.0.1.1", "(port 8080 or port 9000) and host 10.0.1.1"),
    ("remote port 8080 or local port 8080", "port 8080"),
    ("not (proto tcp or proto udp)", "not (tcp or udp)"),
    ("iface tmserver and proto udp", "udp"),
    ("iface nothing*", "greater 65000"),
)


@contextmanager
def capturing(program: Program, *options: str) -> Iterator[Running]:
    with program.running("capture", *options, until="capturing") as running:
        yield running


def frames_of(path: Path) -> list[tuple[bytes, int, int]]:
    """Of a pcapng: data, length on the wire, direction (1 in, 2 out)."""
    with RawPcapNgReader(str(path)) as reader:
        return [(data, meta.wirelen, meta._asdict()["direction"]) for data, meta in reader]


def without_checksums(frames: Counter[tuple[bytes, int]]) -> Counter[tuple[bytes, int]]:
    """Each frame without the words that are a checksum of TCP, UDP or ICMPv6."""
    bare: Counter[tuple[bytes, int]] = Counter()
    for (whole, length), count in frames.items():
        packet, data = Ether(whole), whole
        for layer, size in ((TCP, 18), (UDP, 8)):
            if layer in packet:
                end = len(data) - len(bytes(packet[layer])) + size
                data = data[: end - 2] + data[end:]
        bare[data, length] += count
    return bare


def frames_of_pcap(path: Path) -> list[tuple[bytes, int]]:
    with RawPcapReader(str(path)) as reader:
        return [(data, meta.wirelen) for data, meta in reader]


@pytest.mark.parametrize(("offloads", "snaplen"), [(True, 0), (False, 60)])
def test_the_bytes_are_tcpdumps(tmp_path: Path, offloads: bool, snaplen: int) -> None:
    """Without offloads what goes out passes us before the kernel has made its checksum."""
    out = tmp_path / "o.pcapng"
    with (
        Lab(offloads=offloads) as lab,
        attached(lab.server, lab.server_if) as program,
        capturing(program, "-w", str(out), "--snaplen", str(snaplen)) as running,
    ):
        with lab.capture(snaplen=snaplen or 65535) as both:
            mixed_traffic(lab)
        said = running.interrupt()
    frames, end = frames_of(out), 56 if snaplen else None  # libpcap gives 58 where 60 are requested
    assert max(len(data) for data, _, _ in frames) == (snaplen or max(n for _, n, _ in frames))
    assert f"{len(frames):,} packets captured, 0 lost" in said
    for capture, direction in ((both.rx, 1), (both.tx, 2)):
        ours = Counter((data[:end], length) for data, length, way in frames if way == direction)
        theirs = Counter((data[:end], length) for data, length in frames_of_pcap(capture.path))
        if direction == 2 and not offloads:
            ours, theirs = without_checksums(ours), without_checksums(theirs)
        assert ours == theirs
        assert sum(ours.values()) > 1000
    count = ["tshark", "-r", str(out), "-T", "fields", "-e", "frame.number"]
    assert len(subprocess.check_output(count, text=True).split()) == len(frames)


@pytest.mark.long
def test_filters_let_through_what_tcpdumps_do(tmp_path: Path) -> None:
    """All at once, over the same traffic; tcpdump's filters read one capture of all of it."""
    everything = tmp_path / "all.pcap"
    with Lab() as lab, attached(lab.server, lab.server_if) as program:
        with ExitStack() as stack:
            running = [
                stack.enter_context(
                    capturing(program, "--filter", ours, "-w", str(tmp_path / f"{number}.pcapng"))
                )
                for number, (ours, _) in enumerate(FILTERS)
            ]
            argv = ["tcpdump", "-i", lab.server_if, "-w", str(everything), "-n", "-U", "-Z", "root"]
            tcpdump = lab.server.popen([*argv, "--immediate-mode", "-B", "65536"])
            time.sleep(0.5)
            plain_traffic(lab)
            time.sleep(0.5)
            lab.server.end(tcpdump)
            for one in running:
                one.interrupt()
        reported = {
            ours: len(frames_of(tmp_path / f"{n}.pcapng")) for n, (ours, _) in enumerate(FILTERS)
        }
        theirs = {ours: count(lab, tmp_path, expression) for ours, expression in FILTERS}
    assert reported == theirs
    assert sum(1 for number in reported.values() if number) >= 20


def count(lab: Lab, folder: Path, expression: str) -> int:
    """By tcpdump; a file does not have a packet's direction, but its addresses do."""
    ways = {"inbound": "ether src CLIENT", "outbound": "ether src SERVER"}
    for word, ether in ways.items():
        expression = expression.replace(word, ether)
    expression = expression.replace("CLIENT", lab.client_end.mac).replace(
        "SERVER", lab.server_end.mac
    )
    argv = ["tcpdump", "-n", "-r", str(folder / "all.pcap"), expression]
    return len(lab.server.run(argv).stdout.splitlines())


def plain_traffic(lab: Lab) -> None:
    """Without fragments and VLAN tags, which tcpdump's language matches otherwise than ours."""
    client, server = lab.client_end, lab.server_end
    for version in (4, 6):
        traffic.tcp(client, server, up_bytes=40_000, down_bytes=9_000, version=version)
        for port in (8081, 9500):
            traffic.tcp(client, server, up_bytes=16, down_bytes=9, port=port, version=version)
        traffic.udp(client, server, up_bytes=200, down_bytes=60, count=50, version=version)
        traffic.udp(client, server, up_bytes=20, down_bytes=60, count=9, version=version, port=9001)
        traffic.ping(client, server, count=3, version=version)
        unusual(lab, version)


def unusual(lab: Lab, version: Any) -> None:
    for protocol, payload in (
        (raw.GRE, raw.gre_payload(raw.udp_in_ipv4("192.0.2.1", "192.0.2.2", 1, 2, b"x"))),
        (raw.ESP, raw.esp_payload(1, 1, bytes(64))),
        (raw.SCTP, raw.sctp_payload(3333, 4444)),
    ):
        raw.ip_packets(lab.client_end, lab.server_end, protocol, payload, count=4, version=version)
    raw.arp_broadcast(lab.client_end, "10.0.1.77", 5)


def comments_of(path: Path) -> list[tuple[str, str]]:
    """Of each packet: the port at our side, and the comment."""
    fields = ["-e", "tcp.srcport", "-e", "tcp.dstport", "-e", "frame.comment"]
    argv = ["tshark", "-r", str(path), "-Y", "tcp", "-T", "fields", *fields]
    lines = subprocess.check_output(argv, text=True).splitlines()
    reported = [line.split("\t") for line in lines]
    return [("5000" if "5000" in row[:2] else row[0], row[2]) for row in reported]


def test_each_packet_names_its_owner(place: Place, tmp_path: Path) -> None:
    out = tmp_path / "o.pcapng"
    with capturing(place.program, "-w", str(out)) as running:
        server, client = connected(place)
        exchange(server, client, 30_000, 5_000)
        close_all(client, server)
        time.sleep(0.3)
        running.interrupt()
    reported = comments_of(out)
    assert len(reported) > 10
    whose = f"process=tm-server pid={server.pid} user=root uid=0 cgroup=/{place.cgroup.name}"
    owned = [comment for _, comment in reported if comment == whose]
    # the answer to the last FIN finds no socket any more, nor one in TIME_WAIT an owner
    assert len(owned) >= len(reported) - 2
    assert {comment for _, comment in reported} <= {whose, ""}


@pytest.mark.parametrize("kind", ["pid", "uid", "user", "comm", "cgroup", "cgroup pattern"])
def test_filters_by_owner(place: Place, tmp_path: Path, kind: str) -> None:
    """One of two servers; what the kernel cannot match is matched again."""
    mine, other, client = place.server("tm-mine"), place.server("tm-other"), place.client()
    mine.do("os.setuid(1234)" if kind in ("uid", "user") else "pass")
    expression = {
        "pid": f"pid {mine.pid}",
        "uid": "uid 1234",
        "user": "not user root and uid 1234",
        "comm": "comm tm-m*",
        "cgroup": f"cgroup /{place.cgroup.name} and pid {mine.pid}",
        "cgroup pattern": f"cgroup /{place.cgroup.name}* and comm tm-mine",
    }[kind]
    out = tmp_path / "o.pcapng"
    with capturing(place.program, "--filter", expression, "-w", str(out)) as running:
        for port, worker in ((7001, mine), (7002, other)):
            worker.do(
                "u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)", f"u.bind(('', {port}))"
            )
            client.do(
                "u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
                f"for n in range(5): u.sendto(b'x', ({SERVER!r}, {port}))",
            )
            worker.do("for n in range(5): u.sendto(b'y', u.recvfrom(9)[1])")
        time.sleep(0.3)
        running.interrupt()
    fields = ["-T", "fields", "-e", "udp.srcport", "-e", "udp.dstport"]
    lines = subprocess.check_output(["tshark", "-r", str(out), *fields], text=True).splitlines()
    assert len(lines) == 10
    assert all("7001" in line for line in lines)


def test_nothing_is_left_when_it_is_killed(place: Place) -> None:
    loaded = leftovers.loaded()
    with capturing(place.program) as running:
        running.process.kill()
        running.process.wait()
    place.program.run("detach")
    assert not leftovers.orphans(loaded)
    place.attach()


def test_a_sample_is_about_one_of_so_many(tmp_path: Path) -> None:
    out = tmp_path / "o.pcapng"
    with (
        Lab() as lab,
        PacketGenerator() as generator,
        attached(lab.server, lab.server_if) as program,
        capturing(program, "--sample", "100", "-w", str(out)) as running,
    ):
        generator.send(lab.client_end, lab.server_end, packets=200_000, flows=10)
        running.interrupt()
    assert 1_700 < len(frames_of(out)) < 2_300  # 6.7 standard deviations


def test_what_is_lost_is_reported(tmp_path: Path) -> None:
    """Offered = captured + lost; the file says where."""
    out = tmp_path / "o.pcapng"
    with (
        Lab() as lab,
        PacketGenerator() as generator,
        attached(lab.server, lab.server_if) as program,
        capturing(program, "--filter", "dir in", "-w", str(out)) as running,
    ):
        running.process.send_signal(signal.SIGSTOP)  # a reader that is too slow, for certain
        sent = generator.send(lab.client_end, lab.server_end, packets=600_000, flows=10)
        running.process.send_signal(signal.SIGCONT)
        said = running.interrupt()
    captured, lost = (int(word.replace(",", "")) for word in said.split() if word[0].isdigit())
    assert captured + lost == sent.packets
    assert captured == len(frames_of(out))
    assert lost > 0


def test_through_a_pipe_to_tshark(place: Place, tmp_path: Path) -> None:
    client, server = place.lab.client_end, place.lab.server_end
    with capturing(place.program, "-w", "-", "-c", "10") as running:
        traffic.udp(client, server, up_bytes=20, down_bytes=20, count=20)
        running.end()
        with running.out.open("rb") as piped:
            argv = ["tshark", "-r", "-", "-T", "fields", "-e", "udp.port"]
            reported = subprocess.run(argv, stdin=piped, capture_output=True, check=True)
    assert len(reported.stdout.splitlines()) == 10


def test_lines_for_people(place: Place) -> None:
    with capturing(place.program, "-c", "3") as running:
        connected(place)
        running.end()
        lines = running.lines()
    assert len(lines) == 3
    assert f"tmserver tcp {SERVER}:5000 <- 10.0.1.1:" in lines[0]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--snaplen", "70000"), "from 1 to 65536"),
        (("-c", "0"), "from 1 to"),
        (("--sample", "0"), "from 1"),
        (("--filter", "port"), "^"),
        (("-w", "/no/such/place"), "cannot write /no/such/place"),
    ],
)
def test_bad_options(place: Place, options: tuple[str, ...], says: str) -> None:
    done = place.program.run("capture", *options, check=False)
    assert done.returncode == (1 if options[0] == "-w" else 2)
    assert says in done.stderr


def test_nothing_attached() -> None:
    with Lab() as lab:
        program = Program(lab.server, Path(f"/sys/fs/bpf/tmnone-{os.getpid()}"))
        assert program.run("capture", check=False).returncode == 3
