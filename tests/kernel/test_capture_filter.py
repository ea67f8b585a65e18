# SPDX-License-Identifier: MIT
"""The capture's filter as the kernel runs it: each kind of step, against tcpdump and scapy.

Frames go through the program by BPF_PROG_TEST_RUN, in either direction; which of them tcpdump lets
through for the same words it says of a file with all of them.
"""

from __future__ import annotations

import functools
import ipaddress
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.layers.sctp import SCTP
from scapy.packet import Packet, Raw
from scapy.utils import wrpcap

from tests.kernel.capturing import COUNTED_ID, INTERFACE_IDS, Capture
from tests.lab.requirements import require_programs
from trafficmon.layout import (
    FLOW,
    FLOW_KEY,
    FLOW_SET,
    MATCH,
    MATCH_STEPS,
    OWNER,
    FlowFlag,
    Hook,
    MatchKind,
)
from trafficmon.libbpf.structs import dtype_of
from trafficmon.libbpf.system import possible_cpus

pytestmark = pytest.mark.kernel

Way = Literal["in", "out"]
HOOKS: dict[Way, Hook] = {"in": Hook.TC_RX, "out": Hook.TC_TX}
HERE, THERE = "10.1.2.3", "172.16.9.8"
HERE6, THERE6 = "2001:db8:1:2:3:4:5:6", "fd00:aaaa:bbbb:cccc:1:2:3:4"


@pytest.fixture(scope="module")
def capture() -> Iterator[Capture]:
    with Capture() as made:
        yield made


@functools.lru_cache(maxsize=4096)
def udp(
    source: str, destination: str, source_port: int = 4000, destination_port: int = 53
) -> bytes:
    network = IPv6 if ":" in source else IP
    layers = network(src=source, dst=destination) / UDP(sport=source_port, dport=destination_port)
    return bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / layers / Raw(b"x" * 20))


def flipped(address: str, bit: int) -> str:
    """With one bit changed; 0 is the first, most significant one."""
    known = ipaddress.ip_address(address)
    number = int(known) ^ 1 << (known.max_prefixlen - 1 - bit)
    return str(type(known)(number))


CASES = [("in", "local"), ("in", "remote"), ("out", "local"), ("out", "remote")]


@pytest.mark.parametrize(("way", "side"), CASES)
@pytest.mark.parametrize(("here", "there"), [(HERE, THERE), (HERE6, THERE6)], ids=["v4", "v6"])
def test_each_bit_of_an_address(
    capture: Capture, here: str, there: str, way: Way, side: str
) -> None:
    """One bit off is another host: of both sides, and of the one side that is matched."""
    near, far = (here, there) if side == "local" else (there, here)

    def passes(address: str) -> bool:
        """A frame with ``address`` at that side."""
        is_source = (side == "local") == (way == "out")
        ends = (address, far) if is_source else (far, address)
        return capture.passes(udp(*ends), HOOKS[way])

    other = {"local": "remote", "remote": "local"}[side]
    for expression, expected in (
        (f"host {near}", True),
        (f"{side} host {near}", True),
        (f"{other} host {near}", False),
        (f"not host {near}", False),
    ):
        capture.filter(expression)
        assert passes(near) == expected, expression
        for bit in range(ipaddress.ip_address(near).max_prefixlen):
            assert passes(flipped(near, bit)) == expression.startswith("not"), (expression, bit)


@pytest.mark.parametrize(("here", "there"), [(HERE, THERE), (HERE6, THERE6)], ids=["v4", "v6"])
def test_each_length_of_a_prefix(capture: Capture, here: str, there: str) -> None:
    """The last bit of it counts, the one after it does not."""
    bits = ipaddress.ip_address(here).max_prefixlen
    for length in range(bits + 1):
        network = ipaddress.ip_network(f"{here}/{length}", strict=False)
        capture.filter(f"local host {network}")
        assert capture.passes(udp(here, there), Hook.TC_TX)
        for bit in {length - 1, length} & set(range(bits)):
            frame = udp(flipped(here, bit), there)
            assert capture.passes(frame, Hook.TC_TX) == (bit >= length), (length, bit)


def test_families_are_not_mixed_up(capture: Capture) -> None:
    """An IPv4 address is not an IPv6 one that begins alike, and 0.0.0.0/0 is not all there is."""
    alike = str(ipaddress.IPv6Address(ipaddress.IPv4Address(HERE).packed + bytes(12)))
    cases = {
        f"host {HERE}": (True, False),
        f"host {alike}": (False, True),
        "host 0.0.0.0/0": (True, False),
        "host ::/0": (False, True),
        "ip": (True, False),
        "ip6": (False, True),
        "not ip": (False, True),
    }
    frames = udp(HERE, THERE), udp(alike, "::1")
    for expression, expected in cases.items():
        capture.filter(expression)
        assert tuple(capture.passes(frame) for frame in frames) == expected, expression


@pytest.mark.parametrize("way", ["in", "out"])
@pytest.mark.parametrize("family", [4, 6])
def test_ports_from_both_sides(capture: Capture, way: Way, family: int) -> None:
    here, there = (HERE, THERE) if family == 4 else (HERE6, THERE6)
    values = (0, 1, 255, 256, 4096, 8079, 8080, 8081, 32767, 32768, 65534, 65535)
    for side in ("", "local ", "remote "):
        for low, high in [(v, v) for v in values] + [(255, 8080), (0, 65535), (8080, 65535)]:
            capture.filter(f"{side}port {low}" + ("" if low == high else f"-{high}"))
            for port in values:
                for at in ("local", "remote"):
                    other = 9999 if not low <= 9999 <= high else 7
                    ports = (port, other) if at == "local" else (other, port)
                    ends, order = (
                        ((here, there), ports)
                        if way == "out"
                        else (
                            (there, here),
                            ports[::-1],
                        )
                    )
                    reported = capture.passes(udp(*ends, *order), HOOKS[way])
                    local_is = low <= ports[0] <= high
                    remote_is = low <= ports[1] <= high
                    expected = {
                        "": local_is or remote_is,
                        "local ": local_is,
                        "remote ": remote_is,
                    }[side]
                    assert reported == expected, (side, low, high, ports)


def mixture() -> list[Packet]:
    """Frames of all kinds that a filter may match, fragments and tags left out."""
    made: list[Packet] = []
    mac = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    for source, destination in ((HERE, THERE), (THERE, HERE), (HERE, "10.1.2.4")):
        ip = IP(src=source, dst=destination)
        made += [mac / ip / UDP(sport=s, dport=d) for s, d in ((53, 4000), (4000, 53), (53, 53))]
        made += [
            mac / ip / TCP(sport=s, dport=d, flags=flags)
            for s, d, flags in ((80, 5000, "SA"), (5000, 80, "S"), (5000, 8080, "A"))
        ]
        made += [mac / ip / ICMP(), mac / ip / SCTP(sport=80, dport=53)]
        made += [mac / IP(src=source, dst=destination, proto=p) / Raw(b"\0" * 24) for p in (47, 50)]
    for source, destination in ((HERE6, THERE6), (THERE6, HERE6), (HERE6, "2001:db8::1")):
        six = IPv6(src=source, dst=destination)
        made += [mac / six / UDP(sport=s, dport=d) for s, d in ((53, 4000), (4000, 53))]
        made += [mac / six / TCP(sport=80, dport=5000), mac / six / ICMPv6EchoRequest()]
        made += [mac / IPv6(src=source, dst=destination, nh=p) / Raw(b"\0" * 24) for p in (47, 50)]
    made += [mac / ARP(), mac / Raw(b"\0" * 50)]
    return made


FILTERS = (  # ours, of what comes in; tcpdump's
    (f"host {HERE}", f"ip host {HERE}"),
    (f"local host {HERE}", f"ip dst host {HERE}"),
    (f"remote host {HERE}", f"ip src host {HERE}"),
    ("host 10.1.0.0/16", "ip net 10.1.0.0/16"),
    ("remote host 10.1.2.0/24", "ip src net 10.1.2.0/24"),
    (f"host {HERE6}", f"ip6 host {HERE6}"),
    (f"local host {THERE6}", f"ip6 dst host {THERE6}"),
    ("host 2001:db8::/32", "ip6 net 2001:db8::/32"),
    ("remote host 2001:db8:1::/48", "ip6 src net 2001:db8:1::/48"),
    ("port 53", "port 53"),
    ("remote port 80", "src port 80"),
    ("local port 80", "dst port 80"),
    ("port 80-5000", "portrange 80-5000"),
    ("local port 54-8080", "dst portrange 54-8080"),
    ("proto tcp", "tcp"),
    ("proto udp", "udp"),
    ("proto icmp", "icmp"),
    ("proto icmpv6", "icmp6"),
    ("proto sctp", "sctp"),
    ("proto gre", "ip proto 47 or ip6 proto 47"),
    ("ip", "ip"),
    ("ip6", "ip6"),
    ("not ip and not ip6", "not ip and not ip6"),
    ("proto tcp and port 80", "tcp port 80"),
    ("proto tcp or proto udp", "tcp or udp"),
    ("not (proto tcp or proto udp)", "not (tcp or udp)"),
    ("proto udp and not port 4000", "udp and not port 4000"),
    (f"(port 80 or port 53) and host {HERE}", f"(port 80 or port 53) and ip host {HERE}"),
    ("ip and (proto icmp or not port 53)", "ip and (icmp or not port 53)"),
    ("not (ip and (port 53 or (proto tcp and not port 80)))",
     "not (ip and (port 53 or (tcp and not port 80)))"),
)  # fmt: skip


def test_what_passes_is_what_passes_tcpdump(capture: Capture, tmp_path: Path) -> None:
    require_programs("tcpdump")
    packets = mixture()
    path = tmp_path / "all.pcap"
    for number, packet in enumerate(packets):
        packet.time = number
    wrpcap(str(path), packets)
    for ours, theirs in FILTERS:
        capture.filter(ours)
        passed = [n for n, packet in enumerate(packets) if capture.passes(bytes(packet))]
        argv = ["tcpdump", "-n", "-tt", "-r", str(path), theirs]
        said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        expected = [int(float(line.split()[0])) for line in said.splitlines() if line[0].isdigit()]
        assert passed == expected, ours
        assert expected, f"{theirs}: no packet is such"


@pytest.mark.parametrize(("hook", "is_in"), [(Hook.TC_RX, True), (Hook.TC_TX, False)])
def test_directions_and_interfaces(capture: Capture, hook: Hook, is_in: bool) -> None:
    with Capture(row=2) as another:
        cases = {
            "dir in": (is_in, is_in),
            "dir out": (not is_in, not is_in),
            "iface eth1": (True, False),
            "iface wlan0": (False, True),
            "iface eth*": (True, False),
            "iface *": (True, True),
            "iface none": (False, False),
            "not iface eth1": (False, True),
        }
        for expression, expected in cases.items():
            for one, passed in zip((capture, another), expected, strict=True):
                one.filter(expression)
                assert one.passes(udp(HERE, THERE), hook) == passed, expression


def test_without_steps_all_passes_and_what_is_not_ip_needs_nothing(capture: Capture) -> None:
    frame = bytes(Ether(type=0x88CC) / Raw(bytes(60)))
    for expression, expected in (
        (None, True),
        ("proto 0", False),  # what has no IP header has no protocol 0 either
        ("port 0", False),
        ("host 0.0.0.0/0", False),
        ("not port 1", True),
    ):
        capture.filter(expression)
        assert capture.passes(frame) == expected, expression


def test_as_many_steps_as_there_is_room_for(capture: Capture) -> None:
    """The last one is run as well; a stack of all ones keeps what lies below."""
    records = np.zeros(MATCH_STEPS, MATCH)
    records["kind"] = MatchKind.TRUE
    records["kind"][-1] = MatchKind.NOT
    capture.set_steps(records)
    assert not capture.passes(udp(HERE, THERE))
    records["kind"][-1] = MatchKind.TRUE
    capture.set_steps(records)
    assert capture.passes(udp(HERE, THERE))
    half = MATCH_STEPS // 2
    for operator, expected in ((MatchKind.AND, False), (MatchKind.OR, True)):
        records["kind"] = MatchKind.TRUE
        records["kind"][1] = MatchKind.NOT  # the lowest of them is false
        records["kind"][half + 1 :] = operator
        capture.set_steps(records)
        assert capture.passes(udp(HERE, THERE)) == expected


OWNED = {"uid": 1000, "pid": 4242, "cgroup_id": 777}
OWNER_ID = 99
SOCKET = dtype_of("tm_socket")
EXPRESSIONS = {
    "uid 1000": True,
    "uid 1001": False,
    "uid 0": False,
    "pid 4242": True,
    "pid 4243": False,
    "cgroup /a": True,
    "cgroup /b": False,
    "not uid 1000": False,
    "not pid 1": True,
    "uid 1000 and pid 4242 and cgroup /a": True,
}


@pytest.fixture
def filtering() -> Iterator[Capture]:
    with Capture(cgroups={"/a": OWNED["cgroup_id"], "/b": 778}) as made:
        record = np.zeros(1, OWNER)
        for name, value in OWNED.items():
            record[name] = value
        made.maps["owners"].update(OWNER_ID.to_bytes(8, "little"), record.tobytes())
        yield made


def own(capture: Capture, sock: socket.socket, owner_id: int = OWNER_ID) -> None:
    storage = np.zeros(1, SOCKET)
    storage["owner_id"] = owner_id
    capture.maps["sockets"].update(sock.fileno().to_bytes(4, "little"), storage.tobytes())


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_owners_of_what_comes_in(filtering: Capture, kind: socket.SocketKind, address: str) -> None:
    """UDP and TCP: whose socket will have it; the sample says so as well."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, kind) as held:
        held.bind((address, 0))
        if kind == socket.SOCK_STREAM:
            held.listen()
        port = held.getsockname()[1]
        own(filtering, held)
        network = IPv6 if ":" in address else IP
        transport = (TCP if kind == socket.SOCK_STREAM else UDP)(sport=40000, dport=port)
        mac = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
        frame = bytes(mac / network(src=address, dst=address) / transport / Raw(bytes(20)))
        for expression, expected in EXPRESSIONS.items():
            filtering.filter(expression)
            assert filtering.passes(frame) == expected, expression
        filtering.filter(None)
        (sample,) = filtering.run(frame)
        assert sample.head["event"]["owner_id"] == OWNER_ID
        stranger = udp(address, address, 40000, port ^ 1)
        for expression in EXPRESSIONS:
            filtering.filter(expression)
            assert filtering.passes(stranger) == expression.startswith("not"), expression


def test_an_owner_without_a_process_has_no_pid(filtering: Capture) -> None:
    """pid 0 is none: the kernel's, or one that is not known."""
    with ExitStack() as open_:
        held = open_.enter_context(socket.socket(type=socket.SOCK_DGRAM))
        held.bind(("127.0.0.1", 0))
        filtering.maps["owners"].update((5).to_bytes(8, "little"), bytes(OWNER.itemsize))
        own(filtering, held, 5)
        frame = udp("127.0.0.1", "127.0.0.1", 40000, held.getsockname()[1])
        records = np.zeros(MATCH_STEPS, MATCH)
        records["kind"][0] = MatchKind.PID
        filtering.set_steps(records)
        assert not filtering.passes(frame)
        records["kind"][0] = MatchKind.UID
        filtering.set_steps(records)
        assert filtering.passes(frame)


def key_of(here: tuple[str, int], there: tuple[str, int], interface_id: int) -> Any:
    """A flow's key: UDP, this host's end first."""
    key = np.zeros(1, FLOW_KEY)
    for name, (address, port) in (("local", here), ("remote", there)):
        packed = ipaddress.ip_address(address).packed
        key[f"{name}_addr"][0, : len(packed)] = np.frombuffer(packed, np.uint8)
        key[f"{name}_port_be"] = np.uint16(port).byteswap()
    key["interface_id"], key["protocol"] = interface_id, 17
    key["flags"] = FlowFlag.PORTS | (FlowFlag.IPV6 if ":" in here[0] else FlowFlag.IPV4)
    return key


def note_in_table(capture: Capture, key: Any, owner_id: int, at_ns: int) -> None:
    record = np.zeros(1, FLOW)
    record["owner_id"], record["owner_at_ns"] = owner_id, at_ns
    capture.maps["flows"].update(key.tobytes(), record.tobytes())


def note_in_cache(  # of the last CPU: a capture looks into those of all
    capture: Capture, key: Any, owner_id: int, at_ns: int, way: int
) -> None:
    sets = np.zeros(1, FLOW_SET)
    slot = sets["way"][0, way]
    slot["key"], slot["owner_id"], slot["owner_at_ns"] = key[0], owner_id, at_ns
    cpu = possible_cpus() - 1
    capture.maps["flow_cache"].update(cpu.to_bytes(4, "little"), sets.tobytes())


@pytest.mark.parametrize("hook", [Hook.TC_RX, Hook.TC_TX])
@pytest.mark.parametrize(("here", "there"), [(HERE, THERE), (HERE6, THERE6)], ids=["v4", "v6"])
def test_an_owner_that_is_noted_of_the_flow(hook: Hook, here: str, there: str) -> None:
    """No socket is here: the table, then the caches, the later look-up holds; of either id."""
    ends = (here, 4000), (there, 53)
    frame = udp(here, there, 4000, 53) if hook == Hook.TC_TX else udp(there, here, 53, 4000)
    with Capture() as made:

        def reported() -> int:
            (sample,) = made.run(frame, hook)
            return int(sample.head["event"]["owner_id"])

        stranger = key_of(*ends, COUNTED_ID ^ 2)
        note_in_table(made, stranger, 1, 100)
        for interface_id in (COUNTED_ID, COUNTED_ID ^ 1):
            for way in (0, 1):
                key = key_of(*ends, interface_id)
                note_in_cache(made, key_of(*ends[::-1], interface_id), 2, 100, way)
                assert reported() == 0
                note_in_table(made, key, 7, 100)
                assert reported() == 7
                note_in_cache(made, key, 8, 101, way)
                assert reported() == 8
                note_in_cache(made, key, 8, 99, way)
                assert reported() == 7
                made.maps["flows"].delete(key.tobytes())


@pytest.mark.parametrize("hook", [Hook.TC_RX, Hook.TC_TX])
@pytest.mark.parametrize(("here", "there"), [(HERE, THERE), (HERE6, THERE6)], ids=["v4", "v6"])
def test_an_owner_in_another_network_namespace(hook: Hook, here: str, there: str) -> None:
    """At either end of what is forwarded; of a socket that talks to anyone, too."""
    ends = (here, 4000), (there, 53)
    anybody = ("::" if ":" in here else "0.0.0.0", 0)
    frame = udp(here, there, 4000, 53) if hook == Hook.TC_TX else udp(there, here, 53, 4000)
    cases = [ends, ends[::-1], (ends[0], anybody), (ends[1], anybody)]
    with Capture() as made:
        for number, case in enumerate(cases, start=1):
            wrong = (case[0][0], case[0][1] ^ 1), case[1]
            for noted, expected in ((case, number), (wrong, 0)):
                key = key_of(*noted, 0).tobytes()
                made.maps["foreign_owners"].update(key, number.to_bytes(8, "little"))
                (sample,) = made.run(frame, hook)
                assert sample.head["event"]["owner_id"] == expected, noted
                made.maps["foreign_owners"].delete(key)


@pytest.mark.parametrize("hook", [Hook.TC_RX, Hook.TC_TX])
def test_what_a_sample_says(capture: Capture, hook: Hook) -> None:
    capture.filter(None)
    before = capture.counts()
    frame = udp(HERE6, THERE6, 258, 772)
    (sample,) = capture.run(frame, hook)
    key = sample.head["key"]
    ends = [(HERE6, 258), (THERE6, 772)]
    local, remote = ends if hook == Hook.TC_TX else ends[::-1]
    for name, (address, port) in (("local", local), ("remote", remote)):
        assert key[f"{name}_addr"].tobytes() == ipaddress.ip_address(address).packed
        assert int(key[f"{name}_port_be"].byteswap()) == port
    assert (key["protocol"], key["flags"]) == (17, FlowFlag.IPV6 | FlowFlag.PORTS)
    assert key["interface_id"] == INTERFACE_IDS[1]
    assert sample.data == frame
    assert sample.head["bytes"] == sample.head["copied"] == len(frame)
    assert (sample.head["vlan_tag"], sample.head["vlan_protocol_be"]) == (0, 0)
    assert sample.head["event"]["what"] == (hook == Hook.TC_RX)
    assert [b - a for a, b in zip(before, capture.counts(), strict=True)] == [1, 1, 0]
    assert capture.counts(0) == capture.counts(2) == (0, 0, 0)


@pytest.mark.parametrize("snap", [1, 60, 61, 256, 1400])
def test_so_many_bytes_are_copied(snap: int) -> None:
    with Capture(constants={"tm_snap_bytes": snap}) as capture:
        for size in (60, 61, 62, 255, 256, 257, 1399, 1400, 1401):
            frame = (udp(HERE, THERE) + os.urandom(size))[:size]
            (sample,) = capture.run(frame)
            assert sample.head["bytes"] == size
            assert sample.head["copied"] == min(size, snap)
            assert sample.data == frame[:snap]


@pytest.mark.parametrize("one_of", [2, 10, 1000])
def test_a_sample_is_one_of_so_many(one_of: int) -> None:
    """Within six standard deviations."""
    packets = 100_000
    with Capture(constants={"tm_sample_below": (1 << 32) // one_of, "tm_snap_bytes": 64}) as made:
        made.run_only(udp(HERE, THERE), packets)
        taken = len(made.take())
        assert made.counts()[0] == taken
    spread = (packets / one_of * (1 - 1 / one_of)) ** 0.5
    assert abs(taken - packets / one_of) < 6 * spread


def test_what_finds_no_room_is_counted_and_reported_with_the_next() -> None:
    with Capture(constants={"tm_snap_bytes": 1400}) as made:
        frame = udp(HERE, THERE) + bytes(1400)
        made.run_only(frame, 20_000)
        offered, delivered, lost = made.counts()
        assert (offered, delivered + lost) == (20_000, 20_000)
        assert lost > 0
        samples = made.take()
        assert len(samples) == delivered
        assert {int(sample.head["lost_before"]) for sample in samples} == {0}
        (next_one,) = made.run(frame)
        assert int(next_one.head["lost_before"]) in (lost, 0)  # 0: another CPU's
