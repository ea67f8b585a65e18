# SPDX-License-Identifier: MIT
"""The log by user: what its rows add up to, whatever happens to its writer and its disk."""

from __future__ import annotations

import csv
import itertools
import json
import os
import signal
import socket
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.owned import CLIENT, SERVER, SERVER6, Place, family_of, place_of
from tests.kernel.program import Running
from tests.lab.namespace import Namespace
from tests.lab.veth import IpVersion, Link, connect
from tests.lab.worker import Worker

pytestmark = pytest.mark.kernel
ALICE, BOB = 4001, 4002
CLIENT6 = "fd00:0:0:1::1"
_ports = itertools.count(5001)
Sums = dict[tuple[int, str], int]


@contextmanager
def logging(place: Place, *options: str) -> Iterator[Running]:
    with place.program.running("log", *options, until="logging") as running:
        yield running


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """Of all files, each with its uid and interface; a torn last line is left out."""
    rows: list[dict[str, Any]] = []
    for path in sorted(folder.iterdir()):
        _, _, nic, uid = path.name.removesuffix(".log").split("_")
        whole = path.read_bytes().rpartition(b"\n")[0].decode()
        known = {"uid": int(uid), "nic": nic}
        rows += [{**row, **known} for row in csv.DictReader(whole.splitlines())]
    return rows


def sums(rows: list[dict[str, Any]]) -> Sums:
    total: Sums = defaultdict(int)
    for row in rows:
        total[row["uid"], row["direction"]] += int(row["bytes"])
    return dict(total)


def last_totals(rows: list[dict[str, Any]]) -> Sums:
    found: Sums = {}
    for direction, field in (("in", "total_in"), ("out", "total_out")):
        for row in rows:
            key = row["uid"], direction
            found[key] = max(found.get(key, 0), int(row[field]))
    return {key: total for key, total in found.items() if total}


def users(place: Place) -> Sums:
    rows = place.program.rows("users")
    reported = {
        (row["uid"], way): row[f"{name}_bytes"] for row in rows for way, name in WAYS.items()
    }
    return {key: total for key, total in reported.items() if total}


WAYS = {"in": "rx", "out": "tx"}


def talk(place: Place, server: Worker, client: Worker, port: int, count: int, address: str) -> None:
    """Datagrams there and back, and a stream."""
    family = family_of(address)
    server.do(
        f"l = socket.create_server(({address!r}, {port}), family={family})",
        f"u = socket.socket({family}, socket.SOCK_DGRAM)",
        f"u.bind(({address!r}, {port}))",
    )
    client.do(
        f"c = socket.create_connection(({address!r}, {port}))",
        f"u = socket.socket({family}, socket.SOCK_DGRAM)",
        f"u.connect(({address!r}, {port}))",
    )
    server.do("c = accept(l)")
    server.begin(
        f"take(c, {count * 100})",
        f"c.sendall(bytes({count * 10}))",
        f"for n in range({count}): u.sendto(bytes(7), u.recvfrom(99)[1])",
    )
    client.do(
        f"c.sendall(bytes({count * 100}))",
        f"take(c, {count * 10})",
        f"for n in range({count}): u.send(bytes(9)); u.recv(99)",
    )
    server.wait()
    for worker in (client, server):
        worker.do("c.close()", "u.close()")


def as_user(place: Place, uid: int) -> Worker:
    worker = place.server(f"tm-{uid}")
    worker.do(f"os.setuid({uid})")
    return worker


def two_users(place: Place) -> None:
    client = place.client()
    for uid, address in ((ALICE, SERVER), (BOB, SERVER6)):
        talk(place, as_user(place, uid), client, next(_ports), 200, address)


@pytest.mark.parametrize("offloads", [False, True])
@pytest.mark.parametrize("options", [(), ("--per-packet",)])
def test_rows_add_up_to_the_users_totals(
    tmp_path: Path, options: tuple[str, ...], offloads: bool
) -> None:
    with place_of(attach=True, offloads=offloads) as place:
        _rows_add_up(place, tmp_path, options)


def _rows_add_up(place: Place, tmp_path: Path, options: tuple[str, ...]) -> None:
    with logging(place, "--dir", str(tmp_path), "--interval", "0.3", *options) as running:
        two_users(place)
        time.sleep(0.7)
        running.interrupt()
    rows = rows_of(tmp_path)
    assert sums(rows) == last_totals(rows) == users(place)
    named = [row for row in rows if row["src_ip"]]
    ends = {(row["uid"], row["direction"], row["src_ip"], row["dst_ip"]) for row in named}
    assert ends == {
        (ALICE, "in", CLIENT, SERVER),
        (ALICE, "out", SERVER, CLIENT),
        (BOB, "in", CLIENT6, SERVER6),
        (BOB, "out", SERVER6, CLIENT6),
    }
    assert {row["nic"] for row in named} == {place.lab.server_if}
    assert sum(int(row["bytes"]) for row in rows if not row["src_ip"]) == 0
    now = time.time()
    assert all(now - 120 < float(row["timestamp"]) <= now for row in rows)
    assert all(len(row["timestamp"].partition(".")[2]) == 9 for row in rows)


def test_per_packet_is_a_row_for_each(place: Place, tmp_path: Path) -> None:
    with logging(place, "--dir", str(tmp_path), "--per-packet") as running:
        two_users(place)
        time.sleep(0.3)
        running.interrupt()
    rows = rows_of(tmp_path)
    packets = {
        row["uid"]: row["rx_packets"] + row["tx_packets"] for row in place.program.rows("users")
    }
    for uid in (ALICE, BOB):
        assert sum(row["uid"] == uid for row in rows) == packets[uid]


def test_what_passed_before_and_between_is_reported(place: Place, tmp_path: Path) -> None:
    options = ("--dir", str(tmp_path), "--interval", "0.2")
    two_users(place)
    for _ in range(2):
        with logging(place, *options) as running:
            two_users(place)
            time.sleep(0.5)
            running.interrupt()
        rows = rows_of(tmp_path)
        assert sums(rows) == last_totals(rows) == users(place)
        two_users(place)


def test_killed_in_the_midst_it_continues(place: Place, tmp_path: Path) -> None:
    options = ("--dir", str(tmp_path), "--interval", "0.1")
    client, server = place.client(), as_user(place, ALICE)
    for number in range(3):
        with logging(place, *options) as running:
            talk(place, server, client, 6000 + number, 300, SERVER)
            running.process.send_signal(signal.SIGKILL)
            running.process.wait()
        path = tmp_path / f"traffic_user_tmserver_{ALICE}.log"
        torn = [name for name in tmp_path.iterdir() if not name.read_bytes().endswith(b"\n")]
        assert len(torn) <= 1
        with path.open("ab") as end:
            end.write(b"in,123,10.0.")  # as if it had been torn
    with logging(place, *options) as running:
        time.sleep(0.3)
        running.interrupt()
    rows = rows_of(tmp_path)
    assert sums(rows) == last_totals(rows) == users(place)
    assert all(row["direction"] in WAYS for row in rows)


def test_a_full_disk_is_said_and_survived(place: Place, tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmlog", tmp_path], check=True)
    try:
        with logging(place, "--dir", str(tmp_path), "--per-packet", "--interval", "0.2") as running:
            two_users(place)
            time.sleep(0.6)
            subprocess.run(["mount", "-o", "remount,size=16m", tmp_path], check=True)
            time.sleep(0.6)
            said = running.interrupt()
        rows = rows_of(tmp_path)
        assert sums(rows) == last_totals(rows) == users(place)
    finally:
        subprocess.run(["umount", tmp_path], check=True)
    assert "No space left on device" in said
    assert "being written again" in said
    status = place.program.status()
    (written,) = (one for one in status["events"] if one["kind"] == "written")
    assert written["lost"] > 0
    assert status["ledger"]["log_row_drops"] == written["lost"]
    assert written["offered"] == written["delivered"] + written["lost"]
    assert written["delivered"] == len(rows)


def test_hung_up_it_opens_its_files_anew(place: Place, tmp_path: Path) -> None:
    client, server = place.client(), as_user(place, ALICE)
    path = tmp_path / f"traffic_user_tmserver_{ALICE}.log"
    with logging(place, "--dir", str(tmp_path), "--interval", "0.1") as running:
        talk(place, server, client, 6000, 5, SERVER)
        time.sleep(0.4)
        path.rename(tmp_path / f"traffic_user_old_{ALICE}.log")
        os.kill(running.process.pid, signal.SIGHUP)
        time.sleep(0.3)
        talk(place, server, client, 6001, 5, SERVER)
        time.sleep(0.4)
        running.interrupt()
    assert path.exists()
    rows = rows_of(tmp_path)
    assert sums(rows) == last_totals(rows) == users(place)


def test_to_a_socket(place: Place, tmp_path: Path) -> None:
    client, server = place.client(), as_user(place, ALICE)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        with logging(place, "--to", f"unix:{tmp_path}/s", "--interval", "0.1") as running:
            talk(place, server, client, 6000, 5, SERVER)
            time.sleep(0.4)
            running.interrupt()
        with listener.accept()[0] as peer, peer.makefile() as stream:
            rows = [json.loads(line) for line in stream]
    assert sums(rows) == users(place)
    assert {row["nic"] for row in rows if row["src_ip"]} == {"tmserver"}


def test_never_through_a_link(place: Place, tmp_path: Path) -> None:
    logs, victim = tmp_path / "logs", tmp_path / "victim"
    logs.mkdir()
    victim.write_text("mine")
    (logs / f"traffic_user_tmserver_{ALICE}.log").symlink_to(victim)
    with logging(place, "--dir", str(logs), "--interval", "0.1") as running:
        two_users(place)
        time.sleep(0.4)
        said = running.interrupt()
    assert victim.read_text() == "mine"
    assert "cannot write rows: traffic_user" in said
    assert sums(rows_of(logs))[BOB, "in"] == users(place)[BOB, "in"]


def test_without_the_layer_that_knows_users(place: Place, tmp_path: Path) -> None:
    place.program.run("detach")
    place.attach("--layer", "tc")
    done = place.program.run("log", "--dir", str(tmp_path), check=False)
    assert done.returncode == 3
    assert "--layer cgroup" in done.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "--dir DIR"),
        (("--to", "unix:/x", "--dir", "/x"), "exclude each other"),
        (("--to", "tcp:nobody"), "tcp:HOST:PORT"),
        (("--dir", "/x", "--interval", "nan"), "from 0.1"),
    ],
)
def test_bad_options(place: Place, options: tuple[str, ...], says: str) -> None:
    done = place.program.run("log", *options, check=False)
    assert done.returncode == 2
    assert says in done.stderr


@pytest.mark.parametrize("options", [(), ("--per-packet",)])
@pytest.mark.parametrize("version", [4, 6])
def test_an_interface_of_another_namespace_goes_by_its_number(
    place: Place, tmp_path: Path, version: IpVersion, options: tuple[str, ...]
) -> None:
    """Numbers begin anew in each namespace, so here it is the number of the watched one."""
    with Namespace("inside") as inside, Namespace("peer") as peer:
        link = connect(inside, peer, names=("tminside", "tmpeer"), network=9)
        number = interface_number(inside, "tminside")
        assert number == interface_number(place.lab.server, place.lab.server_if)
        worker = Worker(inside, "tm-inside", place.cgroup)
        with logging(place, "--dir", str(tmp_path), "--interval", "0.3", *options) as running:
            worker.do(f"os.setuid({ALICE})", *datagrams(link, version))
            here = place.server("tm-here")
            here.do(f"os.setuid({BOB})", *datagrams(place.lab.veth, version, to_left=True))
            time.sleep(0.7)
            running.interrupt()
        worker.end()
    reported = {(row["uid"], row["nic"]) for row in rows_of(tmp_path)}
    assert reported == {(ALICE, f"if{number}"), (BOB, place.lab.server_if)}


def interface_number(namespace: Namespace, name: str) -> int:
    with namespace.inside():
        return socket.if_nametoindex(name)


def datagrams(link: Link, version: IpVersion, *, to_left: bool = False) -> list[str]:
    """Three, to a port that no one listens at."""
    address = (link.left if to_left else link.right).address(version)
    family = family_of(address)
    return [
        f"u = socket.socket({family}, socket.SOCK_DGRAM)",
        f"for n in range(3): u.sendto(bytes(9), ({address!r}, 9))",
        "u.close()",
    ]
