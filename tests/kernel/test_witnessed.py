# SPDX-License-Identifier: MIT
"""Sockets and connections against others that counted: nftables, tshark, ss, and the senders.

With offloads off each packet that nftables sees in the client's namespace is one of the server's
socket. With offloads on tshark shows how many segments a super-packet is.
"""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import Any

import pytest

from tests.kernel.owned import (
    CLIENT,
    SERVER,
    SERVER6,
    SOCKET_COUNTS,
    Place,
    app,
    connect_to,
    connected,
    exchange,
    listen,
    place_of,
)
from tests.kernel.test_events import listening, settled
from tests.kernel.test_super_packets import _segments
from tests.lab import nftables
from tests.lab.worker import Worker

pytestmark = pytest.mark.kernel

CLIENT6 = "fd00:0:0:1::1"
DROP = """
table inet tmdrop {
  chain in { type filter hook input priority -5; tcp sport 5000 drop; }
}
"""
TCP = "meta l4proto tcp"
Pair = nftables.Count


def counts(event: dict[str, Any]) -> tuple[Pair, Pair]:
    """What went out, and what came in."""
    return (event["tx_packets"], event["tx_bytes"]), (event["rx_packets"], event["rx_bytes"])


ENDS = {
    4: {"passive": (SERVER, CLIENT), "active": (CLIENT, SERVER)},
    6: {"passive": (SERVER6, CLIENT6), "active": (CLIENT6, SERVER6)},
}


@pytest.mark.parametrize("role", ["passive", "active"])
@pytest.mark.parametrize("version", [4, 6])
def test_a_connections_last_event_is_what_the_other_end_counted(
    place: Place, version: int, role: str
) -> None:
    """Both roles, both families; far more one way than the other, so that no swap goes unseen."""
    place.count_at_client(TCP)
    listener, caller = ENDS[version][role]
    here, there = (listener, caller) if role == "passive" else (caller, listener)
    with listening(place, "conn") as running:
        mine, other = place.server("tm-mine"), place.client()
        serves, calls = (mine, other) if role == "passive" else (other, mine)
        listen(serves, address=listener)
        connect_to(calls, address=listener)
        serves.do("c = accept(l)")
        exchange(mine, other, 60_000, 7_001)
        other.do("c.close()")
        mine.do("assert not c.recv(1); c.close()")
        time.sleep(0.2)
        opened, closed = settled(running)
    assert (opened["event"], closed["event"]) == ("opened", "closed")
    for event in (opened, closed):
        assert event["role"] == role
        assert (event["local_addr"], event["remote_addr"]) == (here, there)
        assert (event["local_port"] == 5000) == (role == "passive")
        assert (event["remote_port"] == 5000) == (role == "active")
        assert (event["pid"], event["comm"]) == (mine.pid, "tm-mine")
    assert opened["app_rx_bytes"] in (0, None)
    assert (closed["app_rx_bytes"], closed["app_tx_bytes"]) == (60_000, 7_001)
    assert closed["retransmits"] == 0
    assert closed["reason"] == "closed_there"
    sent, got = place.counted_at_client()
    assert counts(place.process(mine)) == (sent, got)
    if role == "passive":  # of a handshake the listener has the SYN, its answer and the ACK
        headers = 40 if version == 4 else 60
        sent = (sent[0] - 1, sent[1] - (headers + 20))
        got = (got[0] - 2, got[1] - (headers + 20) - (headers + 12))
    assert counts(closed) == (sent, got)
    assert closed["rx_bytes"] > 4 * closed["tx_bytes"]


def test_what_was_sent_again_counts_as_packets_and_not_as_payload(place: Place) -> None:
    """How often, says ss; the payload is what the application gave."""
    with listening(place, "conn") as running:
        server, client = connected(place)
        exchange(server, client, 100, 200)
        nftables.load(place.lab.client, DROP)
        server.do("c.sendall(bytes(900))")
        time.sleep(0.9)
        nftables.delete(place.lab.client, "tmdrop")
        client.do("take(c, 900)")
        time.sleep(0.3)
        reported = place.lab.server.run(["ss", "-tinH", "sport", "=", ":5000"]).stdout
        again = [int(number) for number in re.findall(r"retrans:\d+/(\d+)", reported)]
        (row,) = (r for r in place.program.rows("connections") if r["remote_port"])
        client.do("c.close()")
        server.do("assert not c.recv(1); c.close()")
        time.sleep(0.2)
        closed = settled(running)[-1]
    assert max(again) > 0
    assert closed["retransmits"] == row["retransmits"] == max(again)
    assert (closed["app_rx_bytes"], closed["app_tx_bytes"]) == (100, 1100)
    assert app(place.process(server)) == (100, 1100)


def test_round_trips_are_those_that_ss_reports(place: Place) -> None:
    server, client = connected(place)
    for _ in range(20):
        exchange(server, client, 500, 500)
    time.sleep(0.3)
    reported = place.lab.server.run(["ss", "-tinH", "sport", "=", ":5000"]).stdout
    (row,) = (r for r in place.program.rows("connections") if r["remote_port"])
    (smoothed,) = re.findall(r"\brtt:([\d.]+)/", reported)
    (least,) = re.findall(r"\bminrtt:([\d.]+)", reported)
    assert row["rtt_us"] == pytest.approx(float(smoothed) * 1000, abs=1)
    assert row["min_rtt_us"] == pytest.approx(float(least) * 1000, abs=1)
    with listening(place, "conn") as running:
        client.do("c.close()")
        server.do("assert not c.recv(1); c.close()")
        time.sleep(0.2)
        closed = settled(running)[-1]
    assert closed["rtt_us"] == pytest.approx(row["rtt_us"], rel=0.6)


def test_a_process_that_changes_user_or_cgroup_has_a_row_for_each(place: Place) -> None:
    """What it opens belongs to what it was then."""
    below = place.cgroup / "below"
    below.mkdir()
    server, client = place.server("tm-changes"), place.client()
    client.do(f"s = socket.socket(type=socket.SOCK_DGRAM); s.bind(({CLIENT!r}, 9000))")
    send = f"u = socket.socket(type=socket.SOCK_DGRAM); u.sendto(bytes({{}}), ({CLIENT!r}, 9000))"
    server.do(send.format(100))
    (below / "cgroup.procs").write_text(str(server.pid))
    server.do(send.format(200))
    server.do("os.setresuid(4001, 0, 0)", send.format(300), "os.setresuid(0, 0, 0)")
    server.do("u.close()")
    rows = [row for row in place.program.rows("processes") if row["pid"] == server.pid]
    mine, inner = f"/{place.cgroup.name}", f"/{place.cgroup.name}/below"
    reported = sorted((row["app_tx_bytes"], row["uid"], row["cgroup"]) for row in rows)
    assert reported == [(100, 0, mine), (200, 0, inner), (300, 4001, inner)]
    by_user = {row["uid"]: row["app_tx_bytes"] for row in place.program.rows("users")}
    assert by_user == {0: 300, 4001: 300}
    server.end()
    below.rmdir()


def test_datagrams_that_are_only_looked_at_are_not_taken(place: Place) -> None:
    """MSG_PEEK, and what comes by the error queue: that was sent."""
    server, client = place.server("tm-peeks"), place.client()
    server.do(f"u = socket.socket(type=socket.SOCK_DGRAM); u.bind(({SERVER!r}, 9000))")
    client.do("u = socket.socket(type=socket.SOCK_DGRAM)")
    client.do(f"for _ in range(2): u.sendto(bytes(50), ({SERVER!r}, 9000))")
    server.do(
        "for _ in range(5): assert len(u.recv(100, socket.MSG_PEEK)) == 50",
        "for _ in range(2): u.recv(100)",
        "u.setsockopt(socket.SOL_IP, 11, 1)",  # IP_RECVERR
        f"u.sendto(bytes(10), ({CLIENT!r}, 9))",
        "time.sleep(0.2)",
        "assert len(u.recvmsg(100, 0, 0x2000)[0]) == 10",  # MSG_ERRQUEUE
    )
    assert app(place.process(server)) == (100, 10)


@pytest.mark.parametrize("version", [4, 6])
def test_super_packets_of_sockets_are_their_segments(version: int) -> None:
    """Offloads on: what the process sent and received, as tshark shows it of the wire."""
    address = SERVER if version == 4 else SERVER6
    with place_of(attach=True, offloads=True) as place:
        server, client = place.server("tm-large"), place.client()
        with place.lab.capture() as capture:
            listen(server, address=address)
            connect_to(client, address=address)
            server.do("c = accept(l)")
            exchange(server, client, 1_000_000, 600_000)
            client.do("c.close()")
            server.do("assert not c.recv(1); c.close()")
            time.sleep(0.2)
        row = place.process(server)
        expected = {side: _segments(getattr(capture, side).path)[version] for side in ("rx", "tx")}
        frames = {side: getattr(capture, side).tally().total.packets for side in ("rx", "tx")}
        layers = {one["layer"]: one for one in place.program.rows("layers")}
    for side, (packets, octets) in expected.items():
        assert row[f"{side}_packets"] == packets > 2 * frames[side]
        assert row[f"{side}_bytes"] == octets - 14 * packets
        assert layers["cgroup"][f"{side}_packets"] == packets
        assert layers["cgroup"][f"{side}_bytes"] == octets - 14 * packets
    assert app(row) == (1_000_000, 600_000)


SEGMENT = "u.setsockopt(17, 103, 1000)"  # SOL_UDP, UDP_SEGMENT
GATHER = "u.setsockopt(17, 104, 1)"  # SOL_UDP, UDP_GRO


@pytest.mark.parametrize("gathers", [False, True])
@pytest.mark.parametrize("version", [4, 6])
def test_segmented_datagrams_of_sockets(version: int, gathers: bool) -> None:
    """30 sends of 50 datagrams and a rest each, both ways; the receiver may take them as one."""
    here, there = (SERVER, CLIENT) if version == 4 else (SERVER6, CLIENT6)
    family = "AF_INET" if version == 4 else "AF_INET6"
    headers = 28 if version == 4 else 48
    with place_of(attach=True, offloads=True) as place:
        server, client = place.server("tm-udp"), place.client()
        for worker, address in ((server, here), (client, there)):
            worker.do(
                f"u = socket.socket(socket.{family}, socket.SOCK_DGRAM)",
                f"u.bind(({address!r}, 7000)); u.setsockopt(1, 8, 1 << 22); {SEGMENT}",
                GATHER if gathers else "pass",
            )
        for sender, address in ((server, there), (client, here)):
            sender.do(f"for _ in range(30): u.sendto(bytes(50_500), ({address!r}, 7000))")
        time.sleep(0.3)
        row = place.process(server)
    octets = 30 * (50_500 + 51 * headers)
    assert [row[name] for name in SOCKET_COUNTS] == [30 * 51, octets, 30 * 51, octets]
    assert row["app_tx_bytes"] == 30 * 50_500


def test_two_processors_that_use_one_socket_lose_nothing(place: Place) -> None:
    """Packets and payload of the same socket, added from two CPUs at once."""
    sends = 30_000
    server, client = place.server("tm-shared"), place.client()
    client.do(f"s = socket.socket(type=socket.SOCK_DGRAM); s.bind(({CLIENT!r}, 9000))")
    server.do(f"u = socket.socket(type=socket.SOCK_DGRAM); u.connect(({CLIENT!r}, 9000))")
    server.do(
        "children = []",
        "for cpu in range(2):\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        os.sched_setaffinity(0, {cpu % os.cpu_count()})\n"
        f"        for _ in range({sends}): u.send(b'xxxxx')\n"
        "        os._exit(0)\n"
        "    children.append(child)",
        "for child in children: os.waitpid(child, 0)",
    )
    rows = [row for row in place.program.rows("processes") if row["comm"] == "tm-shared"]
    totals = [sum(row[name] for row in rows) for name in ("tx_packets", "tx_bytes", "app_tx_bytes")]
    assert totals == [2 * sends, 2 * sends * 33, 2 * sends * 5]


def test_all_sums_are_what_was_sent(place: Place) -> None:
    """Users, processes, cgroups and layers against what nftables saw, not against each other."""
    place.count_at_client(TCP)
    workers: list[tuple[Worker, Worker]] = []
    for number, uid in enumerate((0, 4001, 4002)):
        server, client = place.server(f"tm-sum{number}"), place.client()
        server.do(f"os.setuid({uid})")
        listen(server, port=5000 + number)
        connect_to(client, port=5000 + number)
        server.do("c = accept(l)")
        exchange(server, client, 10_000 * (number + 1), 3000 * (number + 1))
        client.do("c.close()")
        server.do("assert not c.recv(1); c.close(); l.close()")
        workers.append((server, client))
    time.sleep(0.2)
    sent, got = place.counted_at_client()
    for table in ("users", "processes", "cgroups"):
        total = place.total(table)
        assert (total["tx_packets"], total["tx_bytes"]) == sent, table
        assert (total["rx_packets"], total["rx_bytes"]) == got, table
        assert (total["app_rx_bytes"], total["app_tx_bytes"]) == (60_000, 18_000), table
    by_uid = {row["uid"]: app(row) for row in place.program.rows("users")}
    assert by_uid == {0: (10_000, 3000), 4001: (20_000, 6000), 4002: (30_000, 9000)}
    layers = {row["layer"]: row for row in place.program.rows("layers")}
    for name, headers in (("cgroup", 0), ("tc", 14)):
        assert (layers[name]["tx_packets"], layers[name]["rx_packets"]) == (sent[0], got[0])
        assert layers[name]["tx_bytes"] == sent[1] + headers * sent[0]
        assert layers[name]["rx_bytes"] == got[1] + headers * got[0]


REJECTS = """
table inet tmreject {
  chain in {
    type filter hook input priority 0
    tcp dport 81 reject with icmpx type port-unreachable
    tcp dport 82 reject with icmpx type host-unreachable
    tcp dport 83 drop
    tcp dport 84 reject with tcp reset
  }
}
"""
ENDED = {
    "refused": ("c.connect(({there!r}, 81))", "refused"),
    "refused by reset": ("c.connect(({there!r}, 84))", "refused"),
    "unreachable": ("c.connect(({there!r}, 82))", "unreachable"),
    "no answer": ("c.setsockopt(6, 18, 300); c.connect(({there!r}, 83))", "timed_out"),
    "given up": ("c.settimeout(0.1); c.connect(({there!r}, 83))", "reset_here"),
}


@pytest.mark.parametrize("version", [4, 6])
def test_why_connections_never_came_to_be(place: Place, version: int) -> None:
    """By nftables at the other end: each answer that there is, and none."""
    nftables.load(place.lab.client, REJECTS)
    there = CLIENT if version == 4 else CLIENT6
    server = place.server("tm-asks")
    family = "AF_INET" if version == 4 else "AF_INET6"
    with listening(place, "conn") as running:
        for how, _ in ENDED.values():
            server.do(
                f"c = socket.socket(socket.{family})",
                f"try: {how.format(there=there)}",
                "except OSError: pass",
                "c.close()",
            )
        time.sleep(0.3)
        events = settled(running)
    assert [e["reason"] for e in events] == [reason for _, reason in ENDED.values()]
    assert {(e["event"], e["role"], e["pid"]) for e in events} == {("closed", "active", server.pid)}
    assert {(e["remote_addr"], e["app_rx_bytes"], e["app_tx_bytes"]) for e in events} == {
        (there, 0, 0)
    }


@pytest.mark.parametrize("sent", ["900", "0"])
def test_a_connection_that_is_answered_no_more_has_timed_out(place: Place, sent: str) -> None:
    with listening(place, "conn") as running:
        server, client = connected(place)
        exchange(server, client, 100, 200)
        nftables.load(place.lab.client, DROP)
        server.do(
            "c.setsockopt(6, 18, 400)",  # TCP_USER_TIMEOUT, ms
            "c.setsockopt(1, 9, 1); c.setsockopt(6, 4, 1); c.setsockopt(6, 5, 1)",  # keepalive
            f"c.sendall(bytes({sent}))",
            "try: c.recv(1)",
            "except OSError: pass",
        )
        time.sleep(0.2)
        closed = settled(running)[-1]
    assert (closed["event"], closed["reason"]) == ("closed", "timed_out")


def test_times_are_those_of_the_wall(place: Place) -> None:
    """Of a flow to the jiffy, of a connection to the millisecond, at both roles."""
    began = time.time()
    server, client = connected(place)
    opened = time.time()
    time.sleep(0.6)
    exchange(server, client, 100, 200)
    last = time.time()
    with listening(place, "conn") as running:
        client.do("c.close()")
        server.do("assert not c.recv(1)")
        (flow,) = place.program.rows("flows", "--filter", "proto tcp")
        (row,) = (r for r in place.program.rows("connections") if r["remote_port"])
        server.do("c.close()")
        time.sleep(0.2)
        closed = settled(running)[-1]
    assert began - 0.05 <= seconds(flow["first_seen"]) <= opened + 0.05
    assert last - 0.05 <= seconds(flow["last_seen"]) <= time.time() + 0.05
    assert began - 0.01 <= seconds(row["opened_at"]) <= opened + 0.01
    assert 0.6 <= closed["duration_s"] <= time.time() - began


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize("version", [4, 6])
def test_a_flow_keeps_the_owner_that_it_had_last(place: Place, version: int) -> None:
    """Of a connection that was over within a second: the worker's, no longer of who listened."""
    address = SERVER if version == 4 else SERVER6
    server, client = place.server("tm-brief"), place.client()
    listen(server, address=address)
    connect_to(client, address=address)
    server.begin(
        "c = accept(l); c.sendall(b'x'); child = os.fork()",
        "if not child: take(c, 100); c.sendall(bytes(200)); c.close(); os._exit(0)",
        "c.close(); os.waitpid(child, 0)",
    )
    client.do("c.sendall(bytes(100)); take(c, 201); assert not c.recv(1); c.close()")
    server.wait()
    (flow,) = place.program.rows("flows", "--filter", "port 5000")
    assert flow["comm"] == "tm-brief"
    assert flow["pid"] not in (None, server.pid)


@pytest.mark.parametrize("role", ["passive", "active"])
def test_a_flow_that_was_reset_has_an_owner(place: Place, role: str) -> None:
    """Without a FIN, and after a handful of packets."""
    server, client = place.server("tm-reset"), place.client()
    serves, calls = (server, client) if role == "passive" else (client, server)
    listen(serves, address=SERVER if role == "passive" else CLIENT)
    connect_to(calls, address=SERVER if role == "passive" else CLIENT)
    serves.do("c = accept(l)")
    exchange(server, client, 100, 200)
    client.do("c.setsockopt(1, 13, b'\\1' + bytes(7)); c.close()")
    server.do("time.sleep(0.1); c.close()")
    (flow,) = place.program.rows("flows", "--filter", "port 5000")
    assert (flow["comm"], flow["pid"]) == ("tm-reset", server.pid)


PACKET = (
    "bytes(12) + b'\\x08\\0' + struct.pack('!BBHHHBBH4s4sHHHH', 69, 0, 128, 0, 0, 64, 17,"
    " 0, bytes([10, 0, 1, 2]), bytes([10, 0, 1, 1]), 7, 7777, 108, 0) + bytes(100)"
)


@pytest.mark.parametrize("depth", [0, 1, 5])
def test_packet_sockets_of_the_watched_cgroup_and_below(place: Place, depth: int) -> None:
    """They have no cgroup hook, so their programs look for themselves; beside it none counts."""
    below = place.cgroup.joinpath(*(f"l{number}" for number in range(depth)))
    below.mkdir(parents=True, exist_ok=True)
    inside, outside = place.server("tm-inside"), Worker(place.lab.server, "tm-outside")
    place.workers.append(outside)
    (below / "cgroup.procs").write_text(str(inside.pid))
    for worker in (inside, outside):
        worker.do(
            "c = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
            f"c.bind(('{place.lab.server_if}', 0))",
            f"for _ in range(3): c.send({PACKET})",
        )
    reported = {row["comm"]: app(row) for row in place.program.rows("processes")}
    assert reported == {"tm-inside": (0, 3 * 142)}
    inside.end()
    for level in range(depth, 0, -1):
        place.cgroup.joinpath(*(f"l{number}" for number in range(level))).rmdir()


OLDER = {
    "udp": ("AF_INET", "SOCK_DGRAM, 0", "('0.0.0.0', 7000)", "(there, 9)"),
    "udp over ipv6": ("AF_INET6", "SOCK_DGRAM, 0", "('::', 7000)", "(there6, 9)"),
    "raw": ("AF_INET", "SOCK_RAW, 253", "('0.0.0.0', 0)", "(there, 0)"),
    "ping": ("AF_INET", "SOCK_DGRAM, 1", "('0.0.0.0', 0)", "(there, 0)"),
}


@pytest.mark.parametrize("kind", list(OLDER))
def test_sockets_that_were_open_before(kind: str) -> None:
    """Whose they are is known from the first packet on, and only what comes since is counted."""
    family, made, bound, there = OLDER[kind]
    payload = "b'\\x08\\0' + bytes(48)" if kind == "ping" else "bytes(50)"
    with place_of(attach=False) as place:
        server = place.server("tm-older")
        server.do(
            f"there, there6 = {CLIENT!r}, {CLIENT6!r}",
            f"u = socket.socket(socket.{family}, socket.{made}); u.bind({bound})",
            f"u.sendto({payload}, {there})",
        )
        place.attach()
        if kind.startswith("udp"):  # what comes in before the process does anything
            here, client = SERVER6 if "ipv6" in kind else SERVER, place.client()
            client.do(f"c = socket.socket(socket.{family}, socket.SOCK_DGRAM)")
            client.do(f"for _ in range(4): c.sendto(b'x', ({here!r}, 7000))")
            assert place.process(server)["rx_packets"] == 4
        server.do(f"for _ in range(3): u.sendto({payload}, {there})")
        row = place.process(server)
        headers = {"udp": 28, "udp over ipv6": 48}.get(kind, 20)
        assert (row["tx_packets"], row["tx_bytes"]) == (3, 3 * (50 + headers))
        assert (row["comm"], row["app_tx_bytes"]) == ("tm-older", 150)
