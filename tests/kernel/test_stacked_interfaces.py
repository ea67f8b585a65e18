# SPDX-License-Identifier: MIT
"""Interfaces on top of others: their packets pass both, and are in the sums once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.kernel import leftovers
from tests.kernel.attached import (
    WAYS,
    attach,
    lab_and_program,
    packets,
    refusal,
    run_patched,
)
from tests.kernel.everyday import mostly_long
from tests.kernel.program import Program
from tests.lab.lab import Lab

pytestmark = pytest.mark.kernel

LOWER, UPPER = "tmserver", "tmupper"
ADDRESS, MAC = "10.0.1.9", "02:00:00:01:00:09"
COUNT = 5
_HOST_FAILS = """
from trafficmon.attachment.host import layers
from trafficmon.errors import TrafficmonError
def fail(*_):
    raise TrafficmonError("no room for that")
layers.attach = fail
"""
TC_WAY = pytest.mark.parametrize("way", ["tcx", "clsact"])


@dataclass
class Stack:
    """UPPER sits on LOWER, and has the address that the client pings."""

    lab: Lab
    program: Program

    def ping(self) -> None:
        """COUNT packets each way, through both."""
        self.lab.client.run(["ping", "-q", "-c", str(COUNT), "-i", "0.01", ADDRESS])

    def in_sums(self) -> tuple[int, int]:
        """Packets in and out, of the host at the other end."""
        far = self.lab.client_end.address(4)
        (row,) = (row for row in self.program.rows("hosts") if row["remote_addr"] == far)
        return row["rx_packets"], row["tx_packets"]

    def flows_above(self) -> list[tuple[int, int]]:
        """Packets in and out of each flow of the upper interface."""
        rows = self.program.rows("flows", "--filter", f"iface {UPPER}")
        return [(row["rx_packets"], row["tx_packets"]) for row in rows]

    def status(self) -> dict[str, bool]:
        """Whether each interface is in the sums, by its name."""
        reported = self.program.status()["interfaces"]
        assert len({one["interface"] for one in reported}) == len(reported)
        return {one["interface"]: one["counted_in_sums"] for one in reported}


def _put_on_top(lab: Lab, kind: str) -> None:
    server, client = lab.server, lab.client
    server.run(["ip", "address", "flush", "dev", LOWER])
    if kind == "bridge":
        options = ["type", "bridge", "forward_delay", "0", "mcast_snooping", "0"]
        server.run(["ip", "link", "add", UPPER, *options])
        server.run(["ip", "link", "set", LOWER, "master", UPPER])
    else:
        server.run(["ip", "link", "add", UPPER, "link", LOWER, "type", "macvlan", "mode", "bridge"])
    server.run(["ip", "link", "set", UPPER, "address", MAC, "arp", "off", "up"])
    server.run(["ip", "address", "add", f"{ADDRESS}/24", "dev", UPPER])
    far = lab.client_end
    for namespace, address, mac, interface in (
        (server, far.address(4), far.mac, UPPER),
        (client, ADDRESS, MAC, far.interface),
    ):
        known = [address, "lladdr", mac, "nud", "permanent", "dev", interface]
        namespace.run(["ip", "neighbour", "replace", *known])


@pytest.fixture(params=["bridge", "macvlan"])
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    with lab_and_program() as (lab, program):
        _put_on_top(lab, request.param)
        yield Stack(lab, program)


@TC_WAY
def test_both_at_once(stack: Stack, way: str) -> None:
    said = attach(stack.program, UPPER, LOWER, options=WAYS[way])
    assert f"{UPPER} sits on another attached interface" in said
    stack.ping()

    assert packets(stack.program, UPPER)[0] == packets(stack.program, LOWER)[0] == COUNT
    assert stack.in_sums() == (COUNT, COUNT)
    assert stack.status() == {LOWER: True, UPPER: False}


@pytest.mark.parametrize("way", mostly_long(["tcx", "clsact"], "tcx"))
def test_the_lower_one_comes_and_goes(stack: Stack, way: str) -> None:
    """What was counted above while there was nothing below stays in the sums, and nothing else."""
    loaded, hooks = leftovers.loaded(), leftovers.hooks(stack.lab.server)
    attach(stack.program, UPPER, options=WAYS[way])
    for n in (1, 4):  # the second time the slots are there already
        stack.ping()
        assert stack.status()[UPPER]
        said = attach(stack.program, LOWER, options=WAYS[way])
        assert f"{UPPER} was in the sums until now" in said
        assert stack.in_sums() == (n * COUNT, n * COUNT)
        stack.ping()
        assert stack.in_sums() == ((n + 1) * COUNT, (n + 1) * COUNT)
        assert stack.status() == {LOWER: True, UPPER: False}
        assert stack.program.run("detach", "--iface", LOWER).stdout == f"detached from {LOWER}\n"
        stack.ping()
        assert stack.in_sums() == ((n + 2) * COUNT, (n + 2) * COUNT)
        assert packets(stack.program, UPPER)[0] == (n + 2) * COUNT
        assert stack.flows_above() == [((n + 2) * COUNT, (n + 2) * COUNT)]
    assert stack.program.run("detach").stdout == f"detached from {UPPER}\n"
    assert not leftovers.orphans(loaded)
    assert leftovers.hooks(stack.lab.server) == hooks


def test_an_upper_one_that_lost_its_hooks_gets_them_again(stack: Stack) -> None:
    attach(stack.program, UPPER, options=WAYS["clsact"])
    stack.ping()
    stack.lab.server.run(["tc", "qdisc", "delete", "dev", UPPER, "clsact"])
    attach(stack.program, LOWER, options=WAYS["clsact"])
    stack.ping()

    assert packets(stack.program, UPPER)[0] == packets(stack.program, LOWER)[0] + COUNT
    assert stack.in_sums() == (2 * COUNT, 2 * COUNT)
    assert stack.status() == {LOWER: True, UPPER: False}


def test_what_fails_leaves_the_upper_one_as_it_was(stack: Stack) -> None:
    attach(stack.program, UPPER)
    stack.ping()
    failed = run_patched(stack.program, _HOST_FAILS, "attach", "--iface", LOWER)
    assert "no room for that" in refusal(failed, 1)
    stack.ping()

    assert stack.in_sums() == (2 * COUNT, 2 * COUNT)
    assert stack.status()[UPPER]
    assert packets(stack.program, UPPER)[0] == 2 * COUNT
