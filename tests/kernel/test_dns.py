# SPDX-License-Identifier: MIT
"""DNS as queried, against the resolvers' own logs and tshark."""

from __future__ import annotations

import csv
import json
import random
import signal
import socket
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dns.edns
import dns.message
import dns.rrset
import numpy as np
import pytest
from scapy.layers.inet import IP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from tests.kernel.program import Program, attached
from tests.lab import processes, raw
from tests.lab.cgroup import entering, own_cgroup
from tests.lab.lab import Lab
from tests.lab.namespace import Namespace
from tests.waiting import wait_until
from trafficmon.host.lock import dns_file

pytestmark = pytest.mark.kernel

PROGRAMS = Path(__file__).parents[1] / "lab" / "programs"
SERVER, SERVER6 = "10.0.1.2", "fd00:0:0:1::2"
LONGEST = ".".join(["a" * 63] * 3 + ["b" * 61])
SEED = 20261121
UNKNOWN_OPTION = dns.edns.OptionType.make(65001)
DNSMASQ = """
no-resolv
no-hosts
no-daemon
bind-interfaces
listen-address=10.0.1.2
local=/nx.test/
address=/a.test/192.0.2.9
cname=alias.a.test,www.a.test
log-queries
log-facility=-
cache-size=0
user=root
"""


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as made:
        yield made


@contextmanager
def resolver(lab: Lab, log: Path, address: str, port: int = 53) -> Iterator[None]:
    argv = [sys.executable, str(PROGRAMS / "resolver.py"), address, str(port), str(log)]
    process = lab.server.popen(argv)
    try:
        processes.read_until(process, process.stdout, "ready", timeout=60)
        yield
    finally:
        lab.server.end(process)


def _has_started(process: processes.Process, log: Path) -> bool:
    processes.check_alive(process)
    return log.exists() and "started" in log.read_text()


@contextmanager
def dnsmasq(lab: Lab, folder: Path) -> Iterator[Path]:
    """Its log."""
    config, log = folder / "dnsmasq.conf", folder / "dnsmasq.log"
    config.write_text(DNSMASQ)
    shell = ["sh", "-c", 'exec dnsmasq -C "$1" 2> "$0"', str(log), str(config)]
    process = lab.server.popen(shell)
    try:
        wait_until(lambda: _has_started(process, log))
        yield log
    finally:
        lab.server.end(process)


def query_all(
    namespace: Namespace, lines: list[str], server: str = SERVER, way: str = "udp"
) -> None:
    argv = [sys.executable, str(PROGRAMS / "dns_client.py"), server, "53", way]
    queried = namespace.run(argv, timeout=120, stdin="\n".join(lines) + "\n")
    assert queried.stderr == ""


def by_name(rows: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["name"], row["type"]): row for row in rows if row["kind"] == "dns"}


def queries_of(lines: list[str]) -> Counter[tuple[str, str]]:
    questions: Counter[tuple[str, str]] = Counter()
    for line in lines:
        name, type_ = line.split()[:2]
        questions[name.lower(), type_] += 1
    return questions


def mixture(count: int) -> list[str]:
    """Questions of all kinds, many of them again and again; names in mixed case (0x20)."""
    chance = random.Random(SEED)
    kinds = ["www", "nx", "sf", "tc", "mail", "cut", "quiet"]
    lines = []
    for number in range(count):
        name = f"{chance.choice(kinds)}{chance.randrange(150)}.Example{chance.randrange(3)}.TEST"
        lines.append(f"{name} {chance.choice(['A', 'AAAA'])} {chance.choice(['', 'edns'])}")
        if number % 500 == 0:
            lines.append(f"big{number}.test TXT edns")
            lines.append(f"{LONGEST} A")
    return lines


class Tshark:
    """What tshark shows of a capture's DNS."""

    def __init__(self, namespace: Namespace, path: Path) -> None:
        fields = ["dns.flags.response", "dns.qry.name", "dns.time"]
        argv = ["tshark", "-r", str(path), "-Y", "dns && !_ws.malformed", "-T", "fields"]
        for field in fields:
            argv += ["-e", field]
        self.queries: Counter[str] = Counter()
        self.responses: Counter[str] = Counter()
        self.latencies: dict[str, list[float]] = defaultdict(list)
        for line in namespace.run(argv, timeout=120).stdout.splitlines():
            self._note(*(cell.split(",") for cell in line.lower().split("\t")))

    def _note(self, is_response: list[str], names: list[str], took: list[str]) -> None:
        """A frame, which may have several messages of a stream in it."""
        times = iter(took)
        for answer, name in zip(is_response, names, strict=True):
            if answer not in ("1", "true"):
                self.queries[name] += 1
                continue
            self.responses[name] += 1
            if time_s := next(times, ""):
                self.latencies[name].append(float(time_s) * 1e6)


@contextmanager
def one_capture(lab: Lab, path: Path) -> Iterator[None]:
    """Both directions in one file, so that tshark can pair them."""
    argv = ["tcpdump", "-i", lab.client_if, "-w", str(path), "-s0", "-n", "-U", "-Z", "root"]
    process = lab.client.popen([*argv, "--immediate-mode", "-B", "65536"])
    processes.read_until(process, process.stderr, "listening on ")
    try:
        yield
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert "\n0 packets dropped by kernel" in processes.finish(process, 10).stderr
    finally:
        lab.client.end(process)


@pytest.mark.long
def test_ten_thousand_questions(lab: Lab, tmp_path: Path) -> None:
    """Names, counts and answers as the resolver and tshark report them, latencies as tshark."""
    lines, log, pcap = mixture(4_950), tmp_path / "log", tmp_path / "all.pcap"
    with attached(lab.client, lab.client_if, options=("--layer", "tc,dns")) as program:
        with resolver(lab, log, SERVER), one_capture(lab, pcap):
            query_all(lab.client, lines)
            query_all(lab.client, [line for line in lines if "quiet" not in line], way="tcp")
        rows = by_name(program.rows("dns"))
        ledger = program.status()["ledger"]
    queried = queries_of(log.read_text().splitlines())
    assert sum(queried.values()) > 9_000
    assert {key: row["queries"] for key, row in rows.items() if row["queries"]} == queried
    assert ledger["dns_message_drops"] == 0
    tshark = Tshark(lab.client, pcap)
    reported_queries: Counter[str] = Counter()
    for (name, _), row in rows.items():
        reported_queries[name] += row["queries"]
    assert reported_queries == tshark.queries
    for (name, _), row in rows.items():
        kind = name.partition(".")[0].rstrip("0123456789")
        answered = 0 if kind == "quiet" else row["queries"]
        assert row["responses"] == answered, name
        assert row["nxdomain"] == (row["queries"] if kind == "nx" else 0)
        assert row["servfail"] == (row["queries"] if kind == "sf" else 0)
    cut = sum(count for (name, _), count in queried.items() if name.startswith("cut"))
    long = sum(
        name.startswith("big") for name, _ in queried
    )  # once over UDP: the end is not copied
    assert (ledger["dns_malformed"], ledger["dns_incomplete"]) == (0, cut + long)
    assert ledger["dns_unread_records"] == cut + 3 * long  # two of seven texts, and OPT
    _latencies_agree(rows, tshark)


def _latencies_agree(rows: dict[tuple[str, str], dict[str, Any]], tshark: Tshark) -> None:
    """The two look at a packet some microseconds apart, and more where the CPU is taken from one.

    Where answers share a frame tshark shows their times in a row, in which some may be missing.
    """
    differences, far = [], 0
    types: Counter[str] = Counter(name for name, _ in rows)
    for (name, _), row in rows.items():
        if types[name] > 1 or row["latency_us"]["p50"] is None or name not in tshark.latencies:
            continue
        median = float(np.percentile(tshark.latencies[name], 50, method="nearest"))
        differences.append(row["latency_us"]["p50"] - median)
        far += abs(differences[-1]) > max(500, 0.5 * median)
    assert len(differences) > 10
    assert far <= len(differences) / 20
    assert abs(np.median(differences)) < 100


@pytest.mark.parametrize("server", [SERVER, SERVER6])
def test_which_process_queried_and_which_serves(lab: Lab, tmp_path: Path, server: str) -> None:
    """Each question and answer as an event, with the process that queried."""
    with own_cgroup("dns") as cgroup:
        options = ("--cgroup", str(cgroup))
        with attached(lab.client, lab.client_if, options=options) as program:
            listening = program.running("events", "--json", "--type", "dns", until="listening")
            with resolver(lab, tmp_path / "log", server), listening as running:
                client = [sys.executable, str(PROGRAMS / "dns_client.py"), server, "53"]
                for way in ("udp", "tcp"):
                    argv = entering(cgroup, [*client, way])
                    lab.client.run(argv, stdin="www.x.test A\nnx.x.test AAAA\n")
                time.sleep(0.3)
                running.interrupt()
                events = running.records()
    assert [(e["event"], e["name"], e["record_type"]) for e in events] == [
        ("query", "www.x.test", "A"),
        ("response", "www.x.test", "A"),
        ("query", "nx.x.test", "AAAA"),
        ("response", "nx.x.test", "AAAA"),
    ] * 2
    assert {e["protocol"] for e in events} == {"udp", "tcp"}
    assert {e["remote_addr"] for e in events} == {server}
    assert {str(e["comm"])[:6] for e in events} == {"python"}
    assert {e["cgroup"] for e in events} == {f"/{cgroup.name}"}
    answers = [e for e in events if e["event"] == "response"]
    assert [e["rcode"] for e in answers] == ["NOERROR", "NXDOMAIN"] * 2
    assert [a["data"] for e in answers for a in e["answers"]] == ["192.0.2.7"] * 2
    assert all(e["latency_us"] > 0 for e in answers)


def test_dnsmasq_and_dig(lab: Lab, tmp_path: Path) -> None:
    names = [f"h{number}.a.test" for number in range(20)] + ["alias.a.test", "no.nx.test"]
    with attached(lab.client, lab.client_if, options=("--layer", "tc,dns")) as program:
        with dnsmasq(lab, tmp_path) as log:
            for name in names:
                lab.client.run(["dig", "+tries=1", f"@{SERVER}", name, "+short"])
            lab.client.run(["dig", "+tcp", f"@{SERVER}", "h1.a.test", "+short"])
            logged = Counter(
                line.split(" query[A] ")[1].split()[0]
                for line in log.read_text().splitlines()
                if " query[A] " in line
            )
        rows = by_name(program.rows("dns"))
    assert {name: row["queries"] for (name, _), row in rows.items()} == logged
    assert rows["no.nx.test", "A"]["nxdomain"] == 1
    assert rows["alias.a.test", "A"]["responses"] == 1


def test_garbage_is_counted_and_does_no_harm(lab: Lab, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    garbage = [chance.randbytes(chance.randrange(1, 600)) for _ in range(1000)]
    lines = [f"raw {raw.hex()}" for raw in garbage] + ["junk7.test A"]
    with (
        attached(lab.client, lab.client_if, options=("--layer", "tc,dns")) as program,
        resolver(lab, tmp_path / "log", SERVER),
    ):
        query_all(lab.client, lines)
        rows = by_name(program.rows("dns"))
        status = program.status()
        (account,) = (one for one in status["events"] if one["kind"] == "dns")
    reported = sum(row["queries"] + row["responses"] for row in rows.values())
    assert rows["junk7.test", "A"]["queries"] == 1
    assert reported + status["ledger"]["dns_malformed"] == account["delivered"]
    assert status["ledger"]["dns_malformed"] > 900


def test_names_of_remote_hosts_are_those_that_answers_gave(lab: Lab, tmp_path: Path) -> None:
    options = ("--layer", "tc,dns")
    with attached(lab.client, lab.client_if, options=options) as program:
        with resolver(lab, tmp_path / "log", SERVER):
            query_all(lab.client, ["www.x.test A"])
        for address in ("192.0.2.7", "192.0.2.8"):
            lab.client.run(["ip", "route", "replace", f"{address}/32", "via", SERVER])
            lab.client.run(["ping", "-c1", "-W1", "-q", address], check=False)
        for table in ("flows", "hosts"):
            names = {row["remote_addr"]: row["remote_name"] for row in program.rows(table)}
            assert (names["192.0.2.7"], names["192.0.2.8"]) == ("www.x.test", None), table


def test_every_response_code_is_reported(lab: Lab, tmp_path: Path) -> None:
    """Also extended ones, over both ways; in JSON, CSV and for people."""
    expected = {
        "nx": ("NXDOMAIN", "nxdomain"),
        "sf": ("SERVFAIL", "servfail"),
        "refused": ("REFUSED", "refused"),
        "formerr": ("FORMERR", "formerr"),
        "notimp": ("NOTIMP", "other_errors"),
        "badvers": ("BADVERS", "other_errors"),
        "odd": ("3841", "other_errors"),
        "www": ("NOERROR", ""),
    }
    lines = [f"{name}.test A edns" for name in expected]
    options = ("--layer", "tc,dns")
    with attached(lab.client, lab.client_if, options=options) as program:
        with resolver(lab, tmp_path / "log", SERVER):
            for way in ("udp", "tcp"):
                query_all(lab.client, lines, way=way)
        rows = by_name(program.rows("dns"))
        table = list(csv.DictReader(program.run("top", "dns", "--csv").stdout.splitlines()))
        text = program.run("top", "dns").stdout
    errors = ("nxdomain", "servfail", "refused", "formerr", "other_errors")
    for name, (code, field) in expected.items():
        row = rows[f"{name}.test", "A"]
        assert row["rcodes"] == {code: 2}, name
        assert {one: row[one] for one in errors} == {one: 2 * (one == field) for one in errors}
        (cells,) = (one for one in table if one["name"] == f"{name}.test")
        assert json.loads(cells["rcodes"]) == {code: 2}
        assert [cells[one] for one in errors] == [str(row[one]) for one in errors]
    assert "REFUSED" in text.splitlines()[0]


def udp_datagram(lab: Lab, version: int, payload: bytes, *, hops: bool = False) -> Packet:
    """From the server's port 53 to a port of the client's."""
    server, client = lab.server_end, lab.client_end
    udp = UDP(sport=53, dport=40000) / payload
    if version == 4:
        return IP(src=server.ipv4, dst=client.ipv4) / udp
    ip = IPv6(src=server.ipv6, dst=client.ipv6)
    return ip / IPv6ExtHdrHopByHop() / udp if hops else ip / udp


def fragments_of(packet: Packet, *, first_bytes: int, hops: bool = False) -> list[Packet]:
    """Of so many bytes each, after the IP header and the fragment header."""
    if packet.version == 4:
        return list(fragment(packet, fragsize=first_bytes))  # type: ignore[no-untyped-call]
    whole = IPv6(bytes(packet))
    upper, parts = bytes(whole[UDP]), list[Packet]()
    for begin in range(0, len(upper), first_bytes):
        piece, more = upper[begin : begin + first_bytes], begin + first_bytes < len(upper)
        head = IPv6ExtHdrFragment(nh=17, offset=begin // 8, m=int(more), id=77) / piece
        ip = IPv6(src=whole.src, dst=whole.dst)
        parts.append(ip / IPv6ExtHdrHopByHop() / head if hops else ip / head)
    return parts


def long_answer(name: str = "big.test") -> bytes:
    """A first address, then more text than fits into one packet."""
    queried = dns.message.make_query(name, "A", id=9)
    made = dns.message.make_response(queried)
    made.answer = [
        dns.rrset.from_text(f"{name}.", 60, "IN", "A", "192.0.2.33"),
        dns.rrset.from_text(f"{name}.", 60, "IN", "TXT", " ".join(['"' + "x" * 200 + '"'] * 9)),
    ]
    return made.to_wire(max_size=65535)


@pytest.mark.parametrize("xdp", ["off", "native"])
@pytest.mark.parametrize(
    ("version", "hops", "first_bytes"),
    [
        (4, False, 1232),
        (4, False, 1480),
        (4, False, 64),
        (6, False, 1232),
        (6, True, 1224),
        (6, False, 64),
    ],
)
def test_what_is_in_a_first_fragment_is_read(
    lab: Lab, version: int, hops: bool, first_bytes: int, xdp: str
) -> None:
    """IPv6 senders cut at 1,280 bytes: 1,232 of them are UDP's. The rest is said to be missing."""
    packet = udp_datagram(lab, version, long_answer(), hops=hops)
    parts = fragments_of(packet, first_bytes=first_bytes, hops=hops)
    assert len(parts) >= 2
    options = ("--layer", "xdp,tc,dns", "--xdp", xdp)
    with attached(lab.client, lab.client_if, options=options) as program:
        mac = Ether(src=lab.server_end.mac, dst=lab.client_end.mac)
        raw.send_frames(lab.server_end, [bytes(mac / part) for part in parts])
        (row,) = by_name(program.rows("dns")).values()
        ledger = program.status()["ledger"]
        send_to(lab, "192.0.2.33")
        names = {one["remote_addr"]: one["remote_name"] for one in program.rows("hosts")}
    assert (row["name"], row["responses"], row["rcodes"]) == ("big.test", 1, {"NOERROR": 1})
    assert (ledger["dns_incomplete"], ledger["dns_malformed"]) == (1, 0)
    assert ledger["dns_unread_records"] == 1
    assert names["192.0.2.33"] == "big.test"


@pytest.mark.parametrize("version", [4, 6])
def test_an_atomic_fragment_and_a_whole_message_are_whole(lab: Lab, version: int) -> None:
    """Of 1,232 bytes and of one more than is copied."""
    queried = dns.message.make_query("www.test", "A", id=9)
    made = dns.message.make_response(queried)
    made.answer = [dns.rrset.from_text("www.test.", 60, "IN", "A", "192.0.2.33")]
    made.use_edns(0, options=[dns.edns.GenericOption(UNKNOWN_OPTION, b"")])
    short = len(made.to_wire())
    made.use_edns(0, options=[dns.edns.GenericOption(UNKNOWN_OPTION, bytes(1232 - short))])
    packet = udp_datagram(lab, version, made.to_wire())
    if version == 6:
        header = IPv6ExtHdrFragment(nh=17, offset=0, m=0, id=78)
        packet = IPv6(src=packet.src, dst=packet.dst) / header / bytes(packet[UDP])
    options = ("--layer", "tc,dns")
    with attached(lab.client, lab.client_if, options=options) as program:
        mac = Ether(src=lab.server_end.mac, dst=lab.client_end.mac)
        raw.send_frames(lab.server_end, [bytes(mac / packet)])
        (row,) = by_name(program.rows("dns")).values()
        ledger = program.status()["ledger"]
    assert len(made.to_wire()) == 1232
    assert (row["name"], row["responses"]) == ("www.test", 1)
    assert (ledger["dns_incomplete"], ledger["dns_malformed"]) == (0, 0)


def send_to(lab: Lab, address: str) -> None:
    """A datagram of the client's, which makes a flow."""
    lab.client.run(["ip", "route", "replace", f"{address}/32", "via", SERVER])
    with lab.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", (address, 9))


def test_each_process_has_the_name_that_it_queried(lab: Lab, tmp_path: Path) -> None:
    """Two names of one address, in the same second; later answers change nothing."""
    with own_cgroup("dns") as cgroup:
        options = ("--cgroup", str(cgroup))
        with (
            attached(lab.client, lab.client_if, options=options) as program,
            resolver(lab, tmp_path / "log", SERVER),
        ):
            lab.client.run(["ip", "route", "replace", "192.0.2.7/32", "via", SERVER])
            ports = {}
            for name in ("one.test", "two.test", "one.test"):
                argv = entering(cgroup, [sys.executable, "-c", _QUERIES_AND_SENDS, SERVER, name])
                ports[int(lab.client.run(argv).stdout)] = name
            query_all(lab.client, ["later.test A"])
            flows = program.rows("flows", "--filter", "host 192.0.2.7")
    assert {row["local_port"]: row["remote_name"] for row in flows} == ports


_QUERIES_AND_SENDS = """
import socket, sys, dns.message, dns.query
answer = dns.query.udp(dns.message.make_query(sys.argv[2], "A"), sys.argv[1], timeout=5)
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.sendto(b"x", (answer.answer[0][0].address, 9))
print(sender.getsockname()[1])
"""


def test_native_xdp_copies_what_comes_in(lab: Lab, tmp_path: Path) -> None:
    options = ("--layer", "xdp,tc,dns", "--xdp", "native")
    with (
        attached(lab.client, lab.client_if, options=options) as program,
        resolver(lab, tmp_path / "log", SERVER),
    ):
        query_all(lab.client, ["www.x.test A"])
        (row,) = by_name(program.rows("dns")).values()
    assert (row["queries"], row["responses"]) == (1, 1)


def test_on_loopback_each_message_counts_once(lab: Lab, tmp_path: Path) -> None:
    with (
        attached(lab.server, "lo", options=("--layer", "tc,dns")) as program,
        resolver(lab, tmp_path / "log", "127.0.0.1"),
    ):
        query_all(lab.server, ["www.x.test A"], server="127.0.0.1")
        (row,) = by_name(program.rows("dns")).values()
    assert (row["queries"], row["responses"]) == (1, 1)
    assert row["latency_us"]["p50"] > 0


def test_without_the_layer_nothing_is_copied(lab: Lab, tmp_path: Path) -> None:
    with (
        attached(lab.client, lab.client_if, options=("--layer", "tc")) as program,
        resolver(lab, tmp_path / "log", SERVER),
    ):
        query_all(lab.client, ["www.x.test A"])
        assert program.rows("dns") == []
        (account,) = (one for one in program.status()["events"] if one["kind"] == "dns")
    assert account["offered"] == 0


def test_a_book_goes_with_its_attachment(lab: Lab, tmp_path: Path) -> None:
    program: Program
    with attached(lab.client, lab.client_if, options=("--layer", "tc,dns")) as program:
        with resolver(lab, tmp_path / "log", SERVER):
            query_all(lab.client, ["www.x.test A"])
        assert len(program.rows("dns")) == 1
        book = dns_file(program.pin_dir)
        assert book.stat().st_mode & 0o777 == 0o600
    assert not book.exists()
