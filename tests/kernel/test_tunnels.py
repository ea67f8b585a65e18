# SPDX-License-Identifier: MIT
"""A tunnel and its carrier: what passes is in sums over interfaces twice, and attach says so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernel.attached import attach, lab_and_program, packets
from tests.kernel.program import Program
from tests.lab.lab import Lab

pytestmark = pytest.mark.kernel

CARRIER, TUNNEL = "tmserver", "tmvxlan"
PINGS = 3
SAID = f"what passes the tunnel {TUNNEL} leaves inside of packets of {CARRIER}"


@pytest.fixture(params=[True, False], ids=["bound to its carrier", "by the route"])
def place(request: pytest.FixtureRequest) -> Iterator[tuple[Lab, Program]]:
    with lab_and_program() as (lab, program):
        ends = ((lab.client_end, lab.server_end), (lab.server_end, lab.client_end))
        for number, (near, far) in enumerate(ends, 1):
            other = 3 - number
            bound = ["dev", near.interface] if request.param else []
            options = ["type", "vxlan", "id", "5", "dstport", "4789", "remote", far.ipv4, *bound]
            lines = [
                f"link add {TUNNEL} {' '.join(options)}",
                f"link set {TUNNEL} address 02:00:00:00:09:0{number} addrgenmode none up",
                f"address add 10.99.0.{number}/24 dev {TUNNEL}",
                f"neighbour add 10.99.0.{other} lladdr 02:00:00:00:09:0{other} dev {TUNNEL}",
            ]
            near.namespace.run(["ip", "-batch", "-"], stdin="\n".join(lines) + "\n")
        yield lab, program


def ping(lab: Lab) -> None:
    lab.client.run(["ping", "-q", "-c", str(PINGS), "-i", "0.01", "10.99.0.2"])


def in_sums(program: Program) -> int:
    return sum(row["packets"] for row in program.rows("protocols"))


@pytest.mark.parametrize("order", [(CARRIER, TUNNEL), (TUNNEL, CARRIER)])
def test_attach_says_what_is_twice_and_what_to_leave_out(
    place: tuple[Lab, Program], order: tuple[str, str]
) -> None:
    lab, program = place
    first, second = order
    assert SAID not in attach(program, first)
    said = attach(program, second)
    assert said.count(SAID) == 1
    ping(lab)
    assert packets(program, CARRIER) == packets(program, TUNNEL) == (PINGS, PINGS)
    assert in_sums(program) == 2 * 2 * PINGS

    for name, protocol in ((TUNNEL, "udp"), (CARRIER, "icmp")):
        assert f"'trafficmon detach --iface {name}'" in said
        before = in_sums(program)
        program.run("detach", "--iface", name)
        ping(lab)
        assert in_sums(program) == before + 2 * PINGS
        if name == TUNNEL:
            (udp,) = (row for row in program.rows("protocols") if row["protocol"] == protocol)
            assert udp["packets"] == 2 * 2 * PINGS
            assert SAID in attach(program, name)
