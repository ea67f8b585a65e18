# SPDX-License-Identifier: MIT
"""MPTCP: the packets of its TCP sockets, which are the kernel's, are those of its process."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterator

import pytest

from tests.kernel.owned import (
    CLIENT,
    SERVER,
    SERVER6,
    Place,
    app,
    exchange,
    family_of,
    only_connection,
    place_of,
    sums_agree,
)
from tests.lab.worker import Worker
from tests.waiting import wait_until
from trafficmon.libbpf import features
from trafficmon.model.sockets import IPPROTO_MPTCP
from trafficmon.uapi import Helper, ProgramType

pytestmark = pytest.mark.kernel

CLIENT6, OTHER_CLIENT = "fd00:0:0:1::1", "10.0.1.21"


def _need_mptcp() -> None:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP).close()
    except OSError as error:
        if error.errno not in (errno.EPROTONOSUPPORT, errno.ENOPROTOOPT):
            raise
        pytest.skip("this kernel has no MPTCP (CONFIG_MPTCP, or net.mptcp.enabled=0)")


def _leads_to_process() -> bool:
    return features.has_helper(ProgramType.CGROUP_SKB, Helper.SKC_TO_MPTCP_SOCK)


def _need_the_way_to_the_process() -> None:
    if not _leads_to_process():
        pytest.skip("no way from a subflow to its MPTCP socket here (Linux 5.19)")


@pytest.fixture
def place() -> Iterator[Place]:
    _need_mptcp()
    with place_of(attach=True) as made:
        yield made


@pytest.fixture
def unattached() -> Iterator[Place]:
    _need_mptcp()
    with place_of(attach=False) as made:
        yield made


def listen(worker: Worker, address: str = SERVER) -> None:
    worker.do(
        f"l = socket.socket({family_of(address)}, socket.SOCK_STREAM, {IPPROTO_MPTCP})",
        "l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)",
        f"l.bind(({address!r}, 5000)); l.listen()",
    )


def connect(worker: Worker, address: str = SERVER, protocol: int = IPPROTO_MPTCP) -> None:
    worker.do(
        f"c = socket.socket({family_of(address)}, socket.SOCK_STREAM, {protocol})",
        f"c.connect(({address!r}, 5000))",
    )


def assert_all_is_the_servers(place: Place, server: Worker) -> None:
    """Of all packets on the other end none is another's, and none is unattributed."""
    from_server, to_server = place.counted_at_client()
    row = place.process(server)
    assert (row["tx_packets"], row["tx_bytes"]) == from_server
    assert (row["rx_packets"], row["rx_bytes"]) == to_server
    assert place.program.status()["ledger"]["unattributed_bytes"] == 0
    sums_agree(place)


@pytest.mark.parametrize("address", [SERVER, SERVER6])
def test_a_server(place: Place, address: str) -> None:
    """What it accepts is its own from the first packet; the other end's nftables are witness."""
    _need_the_way_to_the_process()
    place.count_at_client("meta l4proto tcp")
    server, client = place.server("tm-mptcp"), place.client()
    listen(server, address)
    connect(client, address)
    server.do("c = accept(l)")
    exchange(server, client, 300_000, 70_001)

    row = only_connection(place)
    assert (row["protocol"], row["mptcp"], row["pid"]) == ("tcp", True, server.pid)
    assert (row["local_addr"], row["local_port"]) == (address, 5000)
    assert (row["state"], row["role"]) == ("established", "passive")
    assert app(row) == (300_000, 70_001)
    assert row["rtt_us"]
    assert row["rx_bytes"] > 300_000
    assert row["tx_bytes"] > 70_001
    (flow,) = place.program.rows("flows", "--filter", "port 5000")
    assert (flow["protocol"], flow["pid"]) == ("tcp", server.pid)
    close(server, client)
    row = place.process(server)
    assert (*app(row), row["connections"]) == (300_000, 70_001, 1)
    assert_all_is_the_servers(place, server)


def close(first: Worker, then: Worker) -> None:
    """Both ends, and wait until the kernel is done with it: MPTCP closes its subflows by itself."""
    for worker in (first, then):
        worker.do("c.close()")
    first.do("'l' in globals() and l.close()", "time.sleep(0.5)")


@pytest.mark.parametrize("address", [CLIENT, CLIENT6])
def test_a_client(place: Place, address: str) -> None:
    _need_the_way_to_the_process()
    place.count_at_client("meta l4proto tcp")
    server, client = place.server("tm-mptcp"), place.client()
    listen(client, address)
    connect(server, address)
    client.do("c = accept(l)")
    exchange(server, client, 30_000, 7001)
    row = only_connection(place)
    assert (row["protocol"], row["mptcp"], row["role"]) == ("tcp", True, "active")
    assert (row["pid"], *app(row)) == (server.pid, 30_000, 7001)
    close(server, client)
    assert place.process(server)["connections"] == 1
    assert_all_is_the_servers(place, server)


@pytest.mark.parametrize("speaks", ["server", "client"])
def test_the_other_end_does_not_speak_it(place: Place, speaks: str) -> None:
    """A listener accepts plain TCP sockets then; a client's socket falls back."""
    _need_the_way_to_the_process()
    place.count_at_client("meta l4proto tcp")
    server, client = place.server("tm-falls"), place.client()
    if speaks == "server":
        listen(server)
        connect(client, protocol=0)
        server.do("c = accept(l)")
    else:
        client.do(f"l = socket.create_server(({CLIENT!r}, 5000))")
        connect(server, CLIENT)
        client.do("c = accept(l)")
    exchange(server, client, 30_000, 7001)
    row = only_connection(place)
    assert (row["protocol"], row["mptcp"]) == ("tcp", speaks == "client")
    assert (row["pid"], *app(row)) == (server.pid, 30_000, 7001)
    assert row["rx_bytes"] > 30_000
    close(server, client)
    row = place.process(server)
    assert (*app(row), row["connections"]) == (30_000, 7001, 1)
    assert_all_is_the_servers(place, server)


def test_servers_that_close_at_once(place: Place) -> None:
    """Of clients that speak it, and of others."""
    server, client = place.server("tm-shut"), place.client()
    listen(server)
    server.begin("for _ in range(40): accept(l).close()")
    client.do(
        "for n in range(40):\n"
        f"    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, n % 2 and {IPPROTO_MPTCP})\n"
        f"    s.connect(({SERVER!r}, 5000)); s.close()"
    )
    server.wait()
    server.do("l.close(); time.sleep(0.5)")
    assert place.process(server)["connections"] == 40
    sums_agree(place)


def test_a_forking_servers_children(place: Place) -> None:
    """What it has accepted is the child's that uses it, from the first packet on."""
    _need_the_way_to_the_process()
    server, client = place.server("tm-forking"), place.client()
    listen(server)
    connect(client)
    server.do(
        "c = accept(l); child = os.fork()",
        "if not child:\n    take(c, 5000); c.sendall(bytes(600)); time.sleep(60); os._exit(0)",
        "c.close()",
    )
    client.do("c.sendall(bytes(5000))", "take(c, 600)")
    rows = {row["pid"]: row for row in place.program.rows("processes")}
    parent = rows.pop(server.pid)
    ((child, row),) = rows.items()
    assert (parent["app_tx_bytes"], parent["tx_packets"]) == (0, 1)  # the handshake's answer
    assert app(row) == (5000, 600)
    assert row["rx_bytes"] > 5000
    assert only_connection(place)["pid"] == child
    sums_agree(place)


def test_one_long_call_after_it_changed_hands(place: Place) -> None:
    _need_the_way_to_the_process()
    server, client = place.server("tm-parent"), place.client()
    listen(server)
    connect(client)
    server.do("c = accept(l); c.sendall(bytes(100))")
    client.do("take(c, 100)")
    server.do(
        "child = os.fork()",
        "if not child:\n    c.sendall(bytes(5000000)); time.sleep(60); os._exit(0)",
        "c.close()",
    )
    client.do("take(c, 1000000)")
    rows = {row["pid"]: row for row in place.program.rows("processes")}
    assert rows.pop(server.pid)["tx_bytes"] < 2000
    ((_, child),) = rows.items()
    assert child["tx_bytes"] > 1_000_000
    client.do("take(c, 4000000)")  # the rest: then all is at rest
    sums_agree(place)


def test_more_than_one_path(place: Place) -> None:
    """Packets of all subflows are in the connection's row, and in its process'."""
    _need_the_way_to_the_process()
    if place.lab.server.run(["ip", "mptcp", "limits"], check=False).returncode:
        pytest.skip("no 'ip mptcp' here")
    place.count_at_client("meta l4proto tcp")
    limits = ["ip", "mptcp", "limits", "set", "subflow", "2"]
    place.lab.server.run(limits)
    place.lab.client.run(limits)
    device = place.lab.client_if
    place.lab.client.run(["ip", "address", "add", f"{OTHER_CLIENT}/24", "dev", device])
    place.lab.client.run(["ip", "mptcp", "endpoint", "add", OTHER_CLIENT, "dev", device, "subflow"])
    server, client = place.server("tm-paths"), place.client()
    listen(server)
    connect(client)
    server.do("c = accept(l)")
    exchange(server, client, 1000, 1000)
    try:
        wait_until(lambda: joins(place), 5, step_s=0.1)
    except AssertionError:  # so it is without trafficmon, too, on some kernels
        pytest.skip("this kernel completes no MP_JOIN between the lab's namespaces")
    for _ in range(20):
        exchange(server, client, 100_000, 1000)
    time.sleep(1)  # acknowledgements are late at times
    flows = place.program.rows("flows", "--filter", "proto tcp and local port 5000")
    assert {flow["remote_addr"] for flow in flows} == {CLIENT, OTHER_CLIENT}
    assert {flow["pid"] for flow in flows} == {server.pid}
    row = only_connection(place)
    assert (row["mptcp"], *app(row)) == (True, 2_001_000, 21_000)
    process = place.process(server)
    listening = [r for r in place.program.rows("connections") if not r["remote_port"]]
    for name in ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes"):
        assert row[name] + sum(one[name] for one in listening) == process[name]
    assert_all_is_the_servers(place, server)


def joins(place: Place) -> int:
    """Subflows that have joined a connection of the server's."""
    reported = place.lab.server.run(["nstat", "-asz", "MPTcpExtMPJoinAckRx"]).stdout
    return int(reported.split()[2])


def test_one_older_than_attach(unattached: Place) -> None:
    place = unattached
    server, client = place.server("tm-older"), place.client()
    listen(server)
    connect(client)
    server.do("c = accept(l)")
    exchange(server, client, 10_000, 20_000)
    place.attach()
    exchange(server, client, 3000, 4000)
    row = only_connection(place)
    assert (row["protocol"], row["mptcp"], *app(row)) == ("tcp", True, 3000, 4000)
    assert row["rx_bytes"] > 3000
    process = place.process(server)
    assert app(process) == (3000, 4000)
    if _leads_to_process():
        assert process["rx_bytes"] >= row["rx_bytes"]
        assert place.program.status()["ledger"]["unattributed_bytes"] == 0
    close(server, client)
    sums_agree(place)
