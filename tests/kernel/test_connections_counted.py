# SPDX-License-Identifier: MIT
"""`connections` of a process: as many as the kernel itself counts in its namespace."""

from __future__ import annotations

import pytest

from tests.kernel.owned import CLIENT, SERVER, SERVER6, Place, listen, sums_agree

pytestmark = pytest.mark.kernel

COUNT = 200
LINGER = "setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\\1' + bytes(7))"
RESET = f"s.{LINGER}; "


def opens(place: Place) -> dict[str, int]:
    """/proc/net/snmp of the server's namespace: ActiveOpens, PassiveOpens and the rest of Tcp."""
    lines = place.lab.server.run(["cat", "/proc/net/snmp"]).stdout.splitlines()
    names, values = (line.split()[1:] for line in lines if line.startswith("Tcp:"))
    return dict(zip(names, map(int, values), strict=True))


def connect_often(address: str, end: str) -> str:
    """``end``: what is done with each before it is closed."""
    return (
        f"for _ in range({COUNT}):\n"
        f"    try: s = socket.create_connection(({address!r}, 5000), 20)\n"
        "    except ConnectionResetError: continue  # so soon\n"
        f"    {end}s.close()"
    )


@pytest.mark.parametrize("reset", [RESET, ""], ids=["reset", "fin"])
@pytest.mark.parametrize("address", [SERVER, SERVER6])
class TestWithoutAByte:
    def test_a_server_that_closes_at_once(self, place: Place, address: str, reset: str) -> None:
        server, client = place.server("tm-shut"), place.client()
        listen(server, address=address)
        server.begin(f"for _ in range({COUNT}):\n    s = accept(l); {reset}s.close()")
        client.do(connect_often(address, ""))
        server.wait()
        assert opens(place)["PassiveOpens"] == COUNT
        assert place.process(server)["connections"] == COUNT
        sums_agree(place)

    def test_a_server_whose_clients_close_at_once(
        self, place: Place, address: str, reset: str
    ) -> None:
        server, client = place.server("tm-shut"), place.client()
        listen(server, address=address)
        server.begin(
            f"for _ in range({COUNT}):\n    s = accept(l); s.recv(1); s.close()"
            if not reset
            else f"for _ in range({COUNT}):\n    s = accept(l)\n    try: s.recv(1)\n"
            "    except ConnectionResetError: pass\n    s.close()"
        )
        client.do(connect_often(address, reset))
        server.wait()
        assert place.process(server)["connections"] == opens(place)["PassiveOpens"] == COUNT
        sums_agree(place)

    def test_a_client(self, place: Place, address: str, reset: str) -> None:
        server, client = place.server("tm-calls"), place.client()
        other = CLIENT if address == SERVER else "fd00:0:0:1::1"
        listen(client, address=other)
        client.begin(f"for _ in range({COUNT}):\n    s = accept(l); s.close()")
        server.do(connect_often(other, reset))
        client.wait()
        assert place.process(server)["connections"] == opens(place)["ActiveOpens"] == COUNT
        sums_agree(place)


@pytest.mark.parametrize("address", [CLIENT, "fd00:0:0:1::1"])
def test_refused_ones_were_tried(place: Place, address: str) -> None:
    server = place.server("tm-refused")
    server.do(
        f"for _ in range({COUNT}):\n"
        f"    try: socket.create_connection(({address!r}, 5000))\n"
        "    except ConnectionRefusedError: pass"
    )
    assert place.process(server)["connections"] == opens(place)["ActiveOpens"] == COUNT
    sums_agree(place)


@pytest.mark.parametrize("address", [SERVER, SERVER6])
def test_open_and_closed_ones_and_such_that_are_never_accepted(place: Place, address: str) -> None:
    """What waits to be accepted is the listener's, and stays so when that is closed."""
    server, client = place.server("tm-waits"), place.client()
    listen(server, address=address)
    client.do(
        f"all = [socket.create_connection(({address!r}, 5000)) for _ in range(60)]",
        "for one in all[:50]: one.sendall(bytes(1000))",
    )
    server.do("some = [accept(l) for _ in range(20)]")
    assert place.process(server)["connections"] == opens(place)["PassiveOpens"] == 60
    server.do("for one in some[:10]: one.close()")
    assert place.process(server)["connections"] == 60
    sums_agree(place)
    server.do("l.close(); some.clear(); import gc; gc.collect()")
    row = place.process(server)
    assert row["connections"] == 60
    assert row["rx_bytes"] >= 50 * 1000
    sums_agree(place)


def test_one_that_ended_before_it_was_accepted_counts_once(place: Place) -> None:
    server, client = place.server("tm-late"), place.client()
    listen(server)
    client.do(connect_often(SERVER, RESET).replace(f"range({COUNT})", "range(10)"))
    server.do("for _ in range(10): accept(l).close()")
    assert place.process(server)["connections"] == opens(place)["PassiveOpens"] == 10
    sums_agree(place)


def test_datagram_sockets_that_carried_something(place: Place) -> None:
    server = place.server("tm-udp")
    server.do(
        "for n in range(30):\n"
        "    s = socket.socket(type=socket.SOCK_DGRAM)\n"
        f"    if n % 3: s.sendto(b'x', ({CLIENT!r}, 9))\n"
        "    s.close()"
    )
    assert place.process(server)["connections"] == 20
    sums_agree(place)
