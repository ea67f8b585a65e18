# SPDX-License-Identifier: MIT
"""Scenarios without connections: UDP, ICMP, raw IP, frames."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from tests.accuracy.scenario import Scenario
from tests.accuracy.stage import Known, Stage, begin, said
from tests.kernel.owned import CLIENT, SERVER, family_of
from tests.lab.processes import finish
from tests.lab.worker import Worker

CLIENT6 = "fd00:0:0:1::1"
_UDP, _ICMP, _EXPERIMENTAL = socket.IPPROTO_UDP, socket.IPPROTO_ICMP, 253
_ROOM = "c.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)"  # SO_RCVBUFFORCE
_DATAGRAM = "c = socket.socket({family}, socket.SOCK_DGRAM)"


def bound(stage: Stage, address: str, port: int) -> Worker:
    """A client that takes datagrams."""
    client = stage.place.client()
    family = family_of(address)
    client.do(_DATAGRAM.format(family=family), _ROOM, f"c.bind(({address!r}, {port}))")
    return client


@contextmanager
def datagrams(
    stage: Stage, comm: str, *, sends: int, takes: int, address: str = CLIENT, port: int = 7000
) -> Iterator[list[Known]]:
    """The watched process sends first; of 700 bytes each way."""
    client, server = bound(stage, address, port), stage.place.server(comm)
    family = family_of(address)
    server.do(
        _DATAGRAM.format(family=family),
        _ROOM,
        f"for _ in range({max(sends, 1)}): c.sendto(bytes({700 if sends else 0}), "
        f"({address!r}, {port}))",
    )
    client.do(
        f"for _ in range({max(sends, 1)}): there = c.recvfrom(2000)[1]",
        f"for _ in range({takes}): c.sendto(bytes(700), there)",
    )
    server.do(f"for _ in range({takes}): c.recv(2000)")
    yield [Known(comm, takes * 700, sends * 700)]
    server.end()
    client.end()


@contextmanager
def echo(stage: Stage, comm: str) -> Iterator[list[Known]]:
    """ping(8), with a payload: 8 bytes of header and 1000 more each way."""
    argv = ["/bin/ping", "-q", "-c", "30", "-i", "0.01", "-s", "1000", stage.new_peer()]
    finish(stage.program(stage.place.lab.server, comm, argv), 20)
    yield [Known(comm, 30 * 1008, 30 * 1008)]


@contextmanager
def flood(stage: Stage, comm: str, *, count: int = 30_000) -> Iterator[list[Known]]:
    """Datagrams of 16 bytes, as fast as they go, whether or not anyone takes them."""
    client = bound(stage, CLIENT, 53)
    argv = ["flood", "send", CLIENT, "53", str(count)]
    finish(stage.program(stage.place.lab.server, comm, argv), 30)
    yield [Known(comm, 0, count * 16)]
    client.end()


@contextmanager
def in_batches(stage: Stage, comm: str, *, sends: bool) -> Iterator[list[Known]]:
    """sendmmsg() or recvmmsg()."""
    lab, count = stage.place.lab, 500
    way, address = ("mmsg-send", CLIENT) if sends else ("mmsg-receive", SERVER)
    port = stage.port
    client = bound(stage, CLIENT, port)
    mover = stage.program(lab.server, comm, ["mover", way, address, str(port), str(count)])
    begin(mover)
    if not sends:
        client.do(f"for _ in range({count}): c.sendto(bytes(400), ({SERVER!r}, {port}))")
    moved = said(mover)
    yield [Known(comm, 0, moved) if sends else Known(comm, moved, 0)]
    lab.server.end(mover)
    client.end()


@contextmanager
def raw(stage: Stage, comm: str) -> Iterator[list[Known]]:
    """A protocol of its own; the receiver gets the IP header too."""
    client, server = stage.place.client(), stage.place.server(comm)
    peer = stage.new_peer()
    opened = f"c = socket.socket(socket.AF_INET, socket.SOCK_RAW, {_EXPERIMENTAL})"
    client.do(opened, f"c.bind(({peer!r}, 0))")
    server.do(opened, f"for _ in range(40): c.sendto(bytes(300), ({peer!r}, 0))")
    client.do(f"for _ in range(25): c.sendto(bytes(100), ({SERVER!r}, 0))")
    server.do("for _ in range(25): c.recv(2000)")
    yield [Known(comm, 25 * 120, 40 * 300)]
    server.end()
    client.end()


@contextmanager
def frames(stage: Stage, comm: str) -> Iterator[list[Known]]:
    """Made by the process, past all protocols: the wire's flow has its name."""
    peer = stage.new_peer()
    client, server = bound(stage, peer, 7777), stage.place.server(comm)
    mac = stage.place.lab.client_end.mac.replace(":", "")
    header = (
        f"bytes.fromhex('{mac}020000010002') + b'\\x08\\0' + struct.pack('!BBHHHBBH4s4sHHHH', 69,"
        f" 0, 128, 0, 0, 64, 17, 0, socket.inet_aton('10.0.1.2'), socket.inet_aton('{peer}'),"
        " 7, 7777, 108, 0)"
    )
    server.do(
        f"p = bytearray({header} + bytes(100))",
        "words = struct.unpack('!10H', p[14:34]); s = sum(words); s = (s >> 16) + (s & 65535)",
        "p[24:26] = struct.pack('!H', ~(s + (s >> 16)) & 65535)",
        "c = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
        f"c.bind(('{stage.place.lab.server_if}', 0))",
        "for _ in range(60): c.send(p)",
    )
    client.do("for _ in range(60): assert len(c.recv(2000)) == 100")
    yield [Known(comm, 0, 60 * 142)]
    server.end()
    client.end()


@contextmanager
def short_lived(stage: Stage, comm: str, *, count: int = 200) -> Iterator[list[Known]]:
    """Processes that query once, are answered, and end."""
    client, server = bound(stage, CLIENT, stage.port), stage.place.server(comm)
    client.begin(f"for _ in range({count}): c.sendto(bytes(50), c.recvfrom(2000)[1])")
    server.do(
        f"for number in range({count}):\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        s = socket.socket(type=socket.SOCK_DGRAM)\n"
        f"        s.sendto(bytes(30), ({CLIENT!r}, {stage.port})); s.recv(100); os._exit(0)\n"
        "    os.waitpid(child, 0)"
    )
    client.wait()
    yield [Known(comm, count * 50, count * 30, processes=count)]
    client.end()


SCENARIOS = (
    Scenario("UDP up", _UDP, partial(datagrams, sends=500, takes=0)),
    Scenario("UDP down", _UDP, partial(datagrams, sends=0, takes=500)),
    Scenario("UDP/443, both ways", _UDP, partial(datagrams, sends=300, takes=300, port=443)),
    Scenario("UDP over IPv6", _UDP, partial(datagrams, sends=200, takes=250, address=CLIENT6)),
    Scenario("UDP/53 flood of small packets", _UDP, flood),
    Scenario("sendmmsg", _UDP, partial(in_batches, sends=True)),
    Scenario("recvmmsg", _UDP, partial(in_batches, sends=False)),
    Scenario("200 short-lived processes", _UDP, short_lived),
    Scenario("ICMP echo with payload", _ICMP, echo),
    Scenario("raw IP protocol 253", _EXPERIMENTAL, raw),
    Scenario("AF_PACKET injection", _UDP, frames, has_sockets=False),
)
