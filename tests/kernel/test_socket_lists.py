# SPDX-License-Identifier: MIT
"""The list of open sockets, by each way that kernels allow: the same rows, each socket once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.attached import run_patched
from tests.kernel.needs import needs_linux
from tests.kernel.owned import SERVER, SERVER6, Place, family_of, listen, place_of, sums_agree
from tests.lab import processes
from trafficmon.hook_registry import SOCKET_ITERATORS
from trafficmon.pins import PinDirectory

pytestmark = pytest.mark.kernel

_REFUSE = """
from trafficmon.attachment.host import layer
from trafficmon.errors import MissingPrivilegeError
def refuse(*_):
    raise MissingPrivilegeError("map iterators are not allowed")
layer.attach_map_iterator = refuse
"""
"""As hardened kernels do."""


@pytest.fixture(params=["by storage", "by files and tables"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    if request.param == "by files and tables":
        needs_linux(5, 12, "cookies of sockets for iterators")
    with place_of(attach=False) as made:
        patch = _REFUSE if request.param == "by files and tables" else ""
        options = ("--iface", made.lab.server_if, "--cgroup", str(made.cgroup))
        processes.check(run_patched(made.program, patch, "attach", *options))
        has_tables = _links(made) == set(SOCKET_ITERATORS)
        if request.param == "by storage" and has_tables:
            pytest.skip("this kernel refuses iterators over the elements of maps")
        assert has_tables == (request.param == "by files and tables")
        yield made


def _links(place: Place) -> set[str]:
    pins = PinDirectory(Path(place.program.pin_dir))
    return {kind for kind in SOCKET_ITERATORS if pins.host_link(kind).exists()}


def _by_ss(place: Place) -> Counter[tuple[str, int, int]]:
    """Protocol, local and remote port of each TCP and UDP socket, from the kernel's own tables."""
    lines = place.lab.server.run(["ss", "-Htuan"]).stdout.splitlines()
    fields = [line.split() for line in lines]
    return Counter((f[0], _port(f[4]), _port(f[5])) for f in fields)


def _port(place: str) -> int:
    return int(place.rpartition(":")[2].replace("*", "0"))


def _by_top(place: Place) -> Counter[tuple[str, int, int]]:
    rows = place.program.rows("connections")
    return Counter(
        (row["protocol"], row["local_port"], row["remote_port"] or 0)
        for row in rows
        if row["protocol"] in {"tcp", "udp"}
    )


@pytest.mark.parametrize("address", [SERVER, SERVER6])
def test_each_open_socket_once(place: Place, address: str) -> None:
    """Waiting to be accepted, shared by processes, and without one."""
    family = family_of(address)
    server, client = place.server("tm-server"), place.client()
    listen(server, address=address)
    for name in ("shared", "alone", "orphan", "waits"):
        client.do(
            f"{name} = socket.socket({family})",
            f"{name}.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)",
            f"{name}.connect(({address!r}, 5000)), {name}.sendall(b'12345')",
        )
        if name != "waits":
            server.do(f"{name} = accept(l)", f"take({name}, 5)")
        if name == "shared":
            server.do(
                "a, b = os.pipe()",
                "child = os.fork()",
                "if not child: os.read(a, 1), os._exit(0)",
            )
    # no file has it any more, and the client has no room for what it still has to send
    server.do("orphan.setblocking(False)", "orphan.send(bytes(1 << 22))", "orphan.close()")
    server.do(
        f"u = socket.socket({family}, socket.SOCK_DGRAM)",
        f"u.bind(({address!r}, 5300))",
        f"v = socket.socket({family}, socket.SOCK_DGRAM)",
        "v.connect((l.getsockname()[0], 5300)), v.send(b'xyz'), u.recv(9)",
    )

    assert _by_top(place) == _by_ss(place)
    client.do("orphan.close()")  # a reset: now all is at rest
    sums_agree(place)
    server.do("os.write(b, b'x'), os.waitpid(child, 0)")


def test_sockets_that_are_in_no_table_of_tcp_or_udp(place: Place) -> None:
    """Raw and ping sockets have neither; what they count is in the sums while they are open."""
    server = place.server("tm-server")
    server.do(
        "r = socket.socket(socket.AF_INET, socket.SOCK_RAW, 253)",
        "[r.sendto(bytes(100), ('10.0.1.1', 0)) for _ in range(7)]",
    )
    users = sums_agree(place)
    assert users["tx_packets"] == 7
    assert users["tx_bytes"] == 7 * 120
