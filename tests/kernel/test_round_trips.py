# SPDX-License-Identifier: MIT
"""Round trip times against a known delay, retransmits against the kernel's own word (ss -ti)."""

from __future__ import annotations

import re

import pytest

from tests.kernel.owned import Place, only_connection
from tests.lab.relay import relayed

pytestmark = pytest.mark.kernel

_DELAY_MS = 40.0  # emulated machines take some milliseconds themselves
_ROUND_TRIP_US = 2 * _DELAY_MS * 1000
_ROUNDS = 15


def reported_by_ss(place: Place) -> dict[str, str]:
    """`ss -ti` of the one established connection of the server's."""
    said = place.lab.server.run(["ss", "-tinH", "state", "established"]).stdout
    return dict(re.findall(r"\b(rtt|minrtt|retrans):([\d./]+)", said))


@pytest.mark.parametrize("role", ["active", "passive"])
@pytest.mark.parametrize("version", [4, 6])
def test_the_round_trip_is_the_wires(place: Place, role: str, version: int) -> None:
    server, client = place.server("tm-far"), place.client()
    family = "AF_INET" if version == 4 else "AF_INET6"
    with relayed(place.lab.client, place.lab.server, delay_ms=_DELAY_MS) as ends:
        at = 0 if version == 4 else 1
        caller, listener = (server, client) if role == "active" else (client, server)
        address = ends.left[at] if role == "active" else ends.right[at]
        listener.do(f"l = socket.create_server(({address!r}, 7000), family=socket.{family})")
        caller.do(f"c = socket.create_connection(({address!r}, 7000))")
        listener.do("c = accept(l)")
        client.begin(f"for _ in range({_ROUNDS}): c.sendall(c.recv(1))")
        server.do(f"for _ in range({_ROUNDS}): c.sendall(b'x'); c.recv(1)")
        client.wait()
        row, ss = only_connection(place), reported_by_ss(place)

    assert row["role"] == role
    assert row["rtt_us"] == pytest.approx(_ROUND_TRIP_US, rel=0.2)
    assert row["min_rtt_us"] == pytest.approx(_ROUND_TRIP_US, rel=0.2)
    assert row["rtt_us"] == pytest.approx(float(ss["rtt"].split("/")[0]) * 1000, abs=1000)
    assert row["retransmits"] == 0
    assert "retrans" not in ss


def test_retransmits_are_those_of_the_kernel(place: Place) -> None:
    server, client = place.server("tm-lossy"), place.client()
    with relayed(place.lab.client, place.lab.server, delay_ms=2, drop_every=10) as ends:
        server.do(f"l = socket.create_server(({ends.right[0]!r}, 7000))")
        client.do(f"c = socket.create_connection(({ends.right[0]!r}, 7000))")
        server.do("c = accept(l)")
        client.begin("take(c, 200000)")
        server.do("c.sendall(bytes(200000))")
        client.wait()
        row, ss = only_connection(place), reported_by_ss(place)
        client.do("c.close()")

    assert row["retransmits"] == int(ss["retrans"].split("/")[1]) >= 10
    assert row["app_tx_bytes"] == 200_000
    sent = place.process(server)
    assert sent["app_tx_bytes"] == 200_000
    # What was sent again passed the cgroup layer again, as it does the wire.
    assert sent["tx_bytes"] > 200_000 + row["retransmits"] * 1000
