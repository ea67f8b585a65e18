# SPDX-License-Identifier: MIT
"""Calls of TCP that no program has seen are made up for at the last close.

The kernel leaves programs out now and then, when it may preempt tracepoints. Here they are left out
for good: their links are taken away, so what is reported of TCP's bytes can come from nowhere else.
"""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.bpf_calls import program_ids
from tests.kernel.owned import (
    Place,
    app,
    close_all,
    connect_to,
    connected,
    exchange,
    listen,
    place_of,
    sums_agree,
)
from tests.waiting import wait_until
from trafficmon.attachment.host.constants import may_make_up
from trafficmon.hook_registry import LAYERS, ON_SOCKETS
from trafficmon.libbpf import features
from trafficmon.libbpf.info import program_facts
from trafficmon.libbpf.link import Link
from trafficmon.libbpf.object import Program
from trafficmon.pins import PinDirectory
from trafficmon.uapi import Helper, ProgramType

pytestmark = pytest.mark.kernel

_PATIENCE_S = 10.0
_TCP_ULP = 31  # include/uapi/linux/tcp.h


@pytest.fixture
def place() -> Iterator[Place]:
    if not may_make_up():
        pytest.skip("programs on cgroups may not read the kernel's memory here")
    with place_of(attach=False) as made:
        reported = made.try_to_attach().stdout
        mode = re.search(r"\bapp: ([\w-]+)", reported)
        if not mode or mode[1] not in ON_SOCKETS:
            pytest.skip(f"the app layer does not count on sockets here: {mode and mode[0]}")
        yield made


def blind(place: Place) -> None:
    """From here on no call is seen; readers find a link in each one's place, and believe it."""
    pins = PinDirectory(place.program.pin_dir)
    kinds = {hook.name for variant in LAYERS["app"] for hook in variant.hooks}
    there = [kind for kind in kinds if pins.host_link(kind).exists()]
    programs = [_taken_off(pins.host_program(kind)) for kind in there]
    with Link.from_pin(str(pins.host_link("sock_ops"))) as other:
        for kind in there:
            pins.host_link(kind).unlink()
            other.pin(str(pins.host_link(kind)))
    wait_until(lambda: not set(programs) & set(program_ids()), _PATIENCE_S)


def _taken_off(pin: Path) -> int:
    """The id of the program, which lives as long as its link does: the kernel frees that later."""
    with Program.from_pin(str(pin)) as program:
        pin.unlink()
        return program_facts(program).id


def test_all_calls(place: Place) -> None:
    blind(place)
    server, client = connected(place)
    exchange(server, client, 30_000, 7001)
    assert app(place.process(server)) == (0, 0)
    close_all(client, server)
    assert app(place.process(server)) == (30_000, 7001)
    sums_agree(place)


def test_some_calls(place: Place) -> None:
    """What was counted stays, of more processes than one; the rest is the last one's."""
    server, client = connected(place)
    exchange(server, client, 3000, 200)
    server.do(
        "a, b = os.pipe()",
        "child = os.fork()",
        "if not child: take(c, 50); c.sendall(bytes(60)); os.read(a, 1); os._exit(0)",
    )
    client.do("c.sendall(bytes(50)); take(c, 60)")
    blind(place)
    exchange(server, client, 10_000, 5000)
    close_all(client, server)
    server.do("os.write(b, b'x'); os.waitpid(child, 0)")
    reported = {row["pid"]: app(row) for row in place.program.rows("processes")}
    if features.has_helper(ProgramType.CGROUP_SKB, Helper.GET_CURRENT_TASK):
        expected = (13_000, 5200), (50, 60)  # its packets tell that the first one writes again
    else:
        expected = (3000, 200), (10_050, 5060)
    assert (reported.pop(server.pid), *reported.values()) == expected
    sums_agree(place)


@pytest.mark.parametrize(
    "end",
    ["shutdown first", "the other one first", "reset by the other one", "reset", "disconnected"],
)
def test_however_it_ends(place: Place, end: str) -> None:
    """A FIN, a reset and other sequence numbers are no bytes; nor is what was never read."""
    blind(place)
    server, client = connected(place)
    exchange(server, client, 400, 900)
    linger = "setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\\1' + bytes(7))"
    match end:
        case "shutdown first":
            server.do("c.shutdown(socket.SHUT_WR)")
            client.do("assert not c.recv(1); c.sendall(bytes(100))")
            server.do("take(c, 100); c.close()")
        case "the other one first":
            client.do("c.shutdown(socket.SHUT_WR)")
            server.do("assert not c.recv(1); c.sendall(bytes(50)); c.close()")
        case "reset by the other one":
            client.do(f"c.sendall(bytes(77)); c.{linger}; c.close()")
            server.do(
                "import select; p = select.poll(); p.register(c, select.POLLHUP)",
                "assert p.poll(5000); c.close()",
            )
        case "reset":
            client.do("c.sendall(bytes(88))")
            server.do(f"c.{linger}; c.close()")
        case "disconnected":
            server.do(
                "import ctypes; libc = ctypes.CDLL(None, use_errno=True)",
                "assert not libc.connect(c.fileno(), bytes(16), 16)",
                "c.close()",
            )
    expected = {"shutdown first": (500, 900), "the other one first": (400, 950)}
    if end == "disconnected":  # it gives the receive side up; what was written stays known
        expected[end] = (0, 900)
    assert app(place.process(server)) == expected.get(end, (400, 900))
    sums_agree(place)


def test_a_socket_that_connects_again(place: Place) -> None:
    """The client's end: its sequence numbers begin anew."""
    server = place.server("tm-again")
    other = place.client()
    other.do("l = socket.create_server(('10.0.1.1', 5000))")
    server.do(
        "import ctypes; libc = ctypes.CDLL(None, use_errno=True)",
        "c = socket.create_connection(('10.0.1.1', 5000)); c.sendall(bytes(1000))",
    )
    other.do("a = accept(l); take(a, 1000); a.sendall(bytes(300))")
    server.do("take(c, 300)", "assert not libc.connect(c.fileno(), bytes(16), 16)")
    other.do("a.close()")
    blind(place)
    server.do("c.connect(('10.0.1.1', 5000)); c.sendall(bytes(70))")
    other.do("a = accept(l); take(a, 70); a.sendall(bytes(40))")
    server.do("take(c, 40); c.close()")
    assert app(place.process(server)) == (340, 1070)
    sums_agree(place)


def test_nothing_is_made_up_without_the_app_layer() -> None:
    """Who did not attach the layer has none of its bytes, also when it comes later."""
    with place_of(attach=False) as place:
        place.attach("--layer", "tc,cgroup,sockops")
        server, client = connected(place)
        exchange(server, client, 5000, 600)
        close_all(client, server)
        place.attach("--layer", "tc,app")
        assert app(place.process(server)) == (0, 0)


def _has_tls() -> bool:
    """It takes connected sockets only, where it is."""
    with socket.socket() as unconnected:
        try:
            unconnected.setsockopt(socket.IPPROTO_TCP, _TCP_ULP, b"tls")
        except OSError as error:
            return error.errno != errno.ENOENT
    return True


def test_transport_layer_security_of_the_kernel_is_left_alone(place: Place) -> None:
    """Its records' headers are no bytes of the application."""
    if not _has_tls():
        pytest.skip("this kernel has no TLS (CONFIG_TLS)")
    server, client = place.server("tm-tls"), place.client()
    listen(server)
    connect_to(client)
    server.do("c = accept(l)")
    server.do(f"c.setsockopt(socket.IPPROTO_TCP, {_TCP_ULP}, b'tls')")
    blind(place)
    exchange(server, client, 300, 200)
    close_all(client, server)
    assert app(place.process(server)) == (0, 0)
