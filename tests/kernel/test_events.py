# SPDX-License-Identifier: MIT
"""Events against what was done, against a capture, and against their own account."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import dns.message
import dns.rrset
import pytest

from tests.kernel.attached import program_in
from tests.kernel.everyday import mostly_long
from tests.kernel.owned import (
    CLIENT,
    SERVER,
    SERVER6,
    Place,
    connect_to,
    exchange,
    listen,
)
from tests.kernel.program import Running, attached
from tests.lab import processes, traffic
from tests.lab.lab import Lab
from tests.lab.namespace import Namespace
from tests.lab.pktgen import PacketGenerator
from tests.lab.worker import Worker
from trafficmon.host.lock import file_of

pytestmark = pytest.mark.kernel
CLIENT6 = "fd00:0:0:1::1"
LINGER = "c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))"
EVENTS = 1_000_000


def listening(place: Place, types: str, *options: str) -> Any:
    command = ("events", "--json", "--type", types, *options)
    return place.program.running(*command, until="listening")


def settled(running: Running) -> list[dict[str, Any]]:
    """All events, with what came last."""
    time.sleep(0.3)
    running.interrupt()
    return running.records()


def conversation(place: Place, address: str = SERVER) -> tuple[Worker, Worker]:
    server, client = place.server("tm-server"), place.client()
    listen(server, address=address)
    connect_to(client, address=address)
    server.do("c = accept(l)")
    return server, client


@pytest.mark.parametrize("address", [SERVER, SERVER6])
def test_a_connection_from_beginning_to_end(place: Place, address: str) -> None:
    with listening(place, "conn") as running:
        server, client = conversation(place, address)
        exchange(server, client, 30_000, 7_001)
        client.do("c.close()")
        server.do("take(c, 1) if 0 else c.recv(1)", "c.close()")
        events = settled(running)
    opened, closed = events
    ends = ("protocol", "local_addr", "local_port", "role")
    assert [opened[name] for name in ends] == ["tcp", address, 5000, "passive"]
    assert (opened["event"], closed["event"]) == ("opened", "closed")
    assert (closed["pid"], closed["comm"], closed["user"]) == (server.pid, "tm-server", "root")
    assert closed["cgroup"] == f"/{place.cgroup.name}"
    assert (closed["app_rx_bytes"], closed["app_tx_bytes"]) == (30_000, 7_001)
    assert closed["reason"] == "closed_there"
    assert 0 < closed["duration_s"] < 30
    assert 0 < closed["rtt_us"] < 1_000_000
    (row,) = (r for r in place.program.rows("processes") if r["pid"] == server.pid)
    assert (closed["rx_packets"], closed["rx_bytes"]) <= (row["rx_packets"], row["rx_bytes"])


@pytest.mark.parametrize("address", [CLIENT, CLIENT6])
def test_a_connection_has_the_name_that_was_looked_up_just_before(
    place: Place, address: str
) -> None:
    """Also if that was long after `events` was started."""
    record = "AAAA" if ":" in address else "A"
    query = dns.message.make_query("later.test", record)
    answer = dns.message.make_response(query)
    answer.answer.append(dns.rrset.from_text("later.test.", 60, "IN", record, address))
    with listening(place, "conn,dns") as running:
        server, client = place.server("tm-asker"), place.client()
        listen(client, address=address)
        connect_to(server, address=address)
        time.sleep(0.5)
        client.do(
            "u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)", f"u.bind(({CLIENT!r}, 53))"
        )
        server.do(
            "u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
            f"u.sendto({query.to_wire()!r}, ({CLIENT!r}, 53))",
        )
        client.do(f"u.sendto({answer.to_wire()!r}, u.recvfrom(999)[1])")
        server.do("u.recv(999)", f"c = socket.create_connection(({address!r}, 5000))")
        events = settled(running)
    opened = [e for e in events if e["event"] == "opened" and e["pid"] == server.pid]
    assert [e["remote_name"] for e in opened] == [None, "later.test"]


@pytest.mark.parametrize(
    ("reason", "by_client", "by_server"),
    [
        ("closed_there", "c.close()", "c.recv(1); c.close()"),
        ("closed_here", "", "c.close()"),
        ("reset_here", "", LINGER + "; c.close()"),
        ("reset_there", LINGER + "; c.close()", ""),
    ],
)
def test_why_it_ended(place: Place, reason: str, by_client: str, by_server: str) -> None:
    with listening(place, "conn") as running:
        server, client = conversation(place)
        for worker, what in ((client, by_client), (server, by_server)):
            worker.do(what or "pass")
        if reason == "closed_here":
            client.do("c.recv(1); c.close()")
        time.sleep(0.1)
        events = settled(running)
    assert [event["reason"] for event in events if event["event"] == "closed"] == [reason]


def test_who_is_refused(place: Place) -> None:
    with listening(place, "conn") as running:
        worker = place.server("tm-asker")
        worker.do(
            "try: socket.create_connection(('10.0.1.1', 81))",
            "except ConnectionRefusedError: pass",
        )
        (event,) = settled(running)
    assert (event["event"], event["reason"], event["role"]) == ("closed", "refused", "active")
    assert (event["remote_addr"], event["remote_port"], event["pid"]) == (CLIENT, 81, worker.pid)


def test_handshakes_are_those_of_a_capture(place: Place) -> None:
    client, server = place.lab.client_end, place.lab.server_end
    with listening(place, "packet") as running, place.lab.capture() as both:
        for version in (4, 6):
            traffic.tcp(
                client, server, up_bytes=900, down_bytes=100, connections=30, version=version
            )
        traffic.udp_flows(client, server, 40, 2, payload_bytes=100)
        events = settled(running)
    for direction, capture in (("in", both.rx), ("out", both.tx)):
        reported = Counter(event["event"] for event in events if event["direction"] == direction)
        for what, flags in (("syn", "== 0x02"), ("syn_ack", "== 0x12"), ("fin", "& 0x01")):
            assert reported[what] == counted(place, capture.path, f"tcp.flags {flags}"), what
    ends = ("protocol", "local_addr", "local_port", "remote_addr", "remote_port")
    flows = {tuple(event[name] for name in ends) for event in events}
    new = [e for e in events if e["event"] == "new_flow"]
    assert len(new) == len(flows) == len(place.program.rows("flows"))


def counted(place: Place, path: Any, expression: str) -> int:
    argv = ["tshark", "-r", str(path), "-Y", expression, "-T", "fields", "-e", "frame.number"]
    return len(place.lab.client.run(argv).stdout.split())


def test_drops_with_their_reason(place: Place) -> None:
    client = place.client()
    with listening(place, "drop") as running:
        client.do(
            "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
            f"for n in range(7): s.sendto(b'nobody', ({SERVER!r}, 4))",
        )
        events = settled(running)
    mine = [e for e in events if e["dst_port"] == 4]
    assert len(mine) == 7
    assert {(e["protocol"], e["src_addr"], e["dst_addr"]) for e in mine} == {
        ("udp", CLIENT, SERVER)
    }


def test_without_a_reader_nothing_is_offered_and_one_that_was_killed_is_none(place: Place) -> None:
    client, server = place.lab.client_end, place.lab.server_end
    traffic.udp_flows(client, server, 20, 2, payload_bytes=10)
    assert account(place.program.status(), "flow")["offered"] == 0
    with listening(place, "packet") as running:
        running.process.kill()
        running.process.wait()
    left = file_of(place.program.pin_dir, "events", ".lock")
    assert left.exists()
    before = account(place.program.status(), "flow")["offered"]
    time.sleep(5.5)
    traffic.udp_flows(client, server, 60, 2, payload_bytes=10)
    assert account(place.program.status(), "flow")["offered"] == before
    place.program.run("detach")
    assert not left.exists()


def test_a_reader_whose_output_is_blocked_is_still_one(place: Place) -> None:
    """For longer than the heartbeat of a killed one is believed; what it cannot take is counted."""
    client, server = place.lab.client_end, place.lab.server_end
    command = [sys.executable, "-m", "trafficmon", "events", "--json", "--type", "packet"]
    where = ["env", f"TRAFFICMON_PIN_DIR={place.program.pin_dir}"]
    reader = place.lab.server.popen(["sh", "-c", '"$@" | sleep 60', "sh", *where, *command])
    try:
        processes.read_until(reader, reader.stderr, "listening", timeout=60)
        traffic.udp_flows(client, server, 1000, 1, payload_bytes=10)  # more than a pipe holds
        time.sleep(6)
        before = account(place.program.status(), "flow")["offered"]
        traffic.udp_flows(client, server, 1100, 1, payload_bytes=10)
        after = account(place.program.status(), "flow")
        assert after["offered"] - before >= 100
        assert after["offered"] == after["delivered"] + after["limited"] + after["lost"]
    finally:
        place.lab.server.end(reader)


def test_there_is_one_reader(place: Place) -> None:
    with listening(place, "conn") as running:
        second = place.program.run("events", "--type", "conn", "--count", "1", check=False)
        assert second.returncode == 1
        assert f"(process {running.process.pid})" in second.stderr
        assert "end that one first" in second.stderr


def account(status: dict[str, Any], kind: str) -> dict[str, int]:
    (found,) = (one for one in status["events"] if one["kind"] == kind)
    return {name: value for name, value in found.items() if name != "kind"}


@pytest.mark.parametrize("limit", mostly_long([0, 1000], 1000))
def test_a_million_events_are_delivered_limited_or_lost(limit: int) -> None:
    """Offered faster than Python reads them."""
    with Lab() as lab, PacketGenerator() as generator:
        server_if = lab.server_if
        with attached(lab.server, server_if, options=("--layer", "tc")) as program:
            options = ("events", "--json", "--type", "packet", "--limit", str(limit))
            with program.running(*options, until="listening") as running:
                sent = generator.send(lab.client_end, lab.server_end, flows=EVENTS, packets=EVENTS)
                said = running.interrupt()
                read = len(running.lines())
            counts = account(program.status(), "flow")
    assert sent.packets == EVENTS
    assert counts["offered"] == EVENTS
    assert counts["offered"] == counts["delivered"] + counts["limited"] + counts["lost"]
    assert read == counts["delivered"] > 0
    assert counts["limited"] if limit else counts["lost"]
    assert f"{counts['lost']:,} events were lost" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--type", "tcp"), "choose from conn, dns, packet, drop, alert"),
        (("--type", ","), "choose from conn"),
        (("--count", "0"), "from 1 to"),
        (("--limit", "-1"), "from 0"),
    ],
)
def test_bad_options(arguments: tuple[str, ...], says: str) -> None:
    """They are refused before anything is opened: nothing is attached here."""
    with Namespace("alone") as alone, program_in(alone) as program:
        done = program.run("events", *arguments, check=False)
    assert done.returncode == 2
    assert says in done.stderr


def test_text_is_for_people(place: Place) -> None:
    with place.program.running("events", "--type", "conn", until="listening") as running:
        server, client = conversation(place)
        client.do("c.close()")
        server.do("c.close()")
        time.sleep(0.3)
        running.interrupt()
        lines = running.lines()
    assert f"tcp {SERVER}:5000 <- {CLIENT}:" in lines[0]
    assert f"tm-server[{server.pid}] of root" in lines[1]
    assert lines[1].endswith("closed by the other end")


def test_so_many_and_no_more(place: Place) -> None:
    with listening(place, "packet", "--count", "3") as running:
        traffic.udp_flows(place.lab.client_end, place.lab.server_end, 9, 1, payload_bytes=10)
        running.end()
        assert len(running.records()) == 3


def test_all_is_json_on_one_line_each(place: Place) -> None:
    with listening(place, "conn,packet,drop,dns") as running:
        conversation(place)
        settled(running)
        lines = running.lines()
    assert lines
    assert all({"time", "type", "event"} <= json.loads(line).keys() for line in lines)


@pytest.mark.parametrize("command", ["events", "capture", "log"])
def test_what_is_taken_out_meanwhile_is_said(place: Place, tmp_path: Path, command: str) -> None:
    options = ("--dir", str(tmp_path)) if command == "log" else ()
    with place.program.running(command, *options, until="Ctrl-C ends it") as running:
        place.program.run("detach")
        done = processes.finish(running.process, 20)
    assert done.returncode == 3
    assert (
        "run 'trafficmon attach' and start again" in done.stderr
        or "nothing is attached" in done.stderr
    )
