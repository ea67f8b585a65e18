# SPDX-License-Identifier: MIT
"""Interfaces that are attached together with those that carry their packets inside of others."""

from __future__ import annotations

import pytest

from trafficmon.attachment import doubles
from trafficmon.host import tunnels
from trafficmon.host.interfaces import ARPHRD_ETHER, ARPHRD_LOOPBACK, Interface

ETH0 = Interface("eth0", 2, ARPHRD_ETHER, None, 0, 0)
ETH1 = Interface("eth1", 3, ARPHRD_ETHER, None, 0, 0)
LO = Interface("lo", 1, ARPHRD_LOOPBACK, None, 0, 0)
BOND = Interface("bond0", 4, ARPHRD_ETHER, "bond", 0, 0)
PORT = Interface("eth2", 5, ARPHRD_ETHER, None, 4, 0)
KNOWN = [LO, ETH0, ETH1, BOND, PORT]


@pytest.fixture(autouse=True)
def _routes(monkeypatch: pytest.MonkeyPatch) -> None:
    """192.0.2.1 is reached by eth0, 192.0.2.2 by the bond, all else not at all."""
    monkeypatch.setattr(tunnels, "_route", {"192.0.2.1": 2, "192.0.2.2": 4}.get)


def tunnel(kind: str, *, lower: int = 0, remote: str | None = None, master: int = 0) -> Interface:
    return Interface("tun0", 9, 0xFFFE, kind, master, lower, remote)


def notes(*attached: Interface) -> list[str]:
    return doubles.notes(attached, [*KNOWN, *attached])


@pytest.mark.parametrize("kind", ["ipip", "gre", "sit", "vxlan", "geneve", "wireguard", "ip6tnl"])
def test_a_tunnel_and_its_carrier(kind: str) -> None:
    for one in (tunnel(kind, lower=2), tunnel(kind, remote="192.0.2.1")):
        for attached in ((one, ETH0), (ETH0, LO, one), (ETH1, ETH0, one)):
            (note,) = notes(*attached)
            assert "the tunnel tun0 leaves inside of packets of eth0, so sums" in note
            assert "'trafficmon detach --iface tun0' keeps what is on the wire" in note
            assert "'trafficmon detach --iface eth0' the hosts and ports inside" in note
        assert notes(one, ETH1) == notes(one) == notes(ETH0, ETH1) == []


def test_a_carrier_below_the_carrier() -> None:
    (note,) = notes(tunnel("gre", remote="192.0.2.2"), PORT)
    assert "inside of packets of eth2" in note


def test_a_tunnel_that_does_not_name_its_carrier() -> None:
    """WireGuard has an end for each peer, a tun is a program's."""
    for one in (tunnel("wireguard"), tunnel("tun"), tunnel("gre", remote="198.51.100.1")):
        (note,) = notes(one, ETH0, LO)
        assert "tun0 may leave inside of packets of eth0" in note
        assert notes(one, LO) == []


def test_a_tap_of_a_virtual_machine_is_no_tunnel() -> None:
    assert notes(tunnel("tun", master=7), ETH0) == []


def test_many_that_may_carry_are_not_all_named() -> None:
    others = [Interface(f"veth{n}", 20 + n, ARPHRD_ETHER, "veth", 0, 90 + n) for n in range(30)]
    (note,) = notes(tunnel("wireguard"), *others)
    assert "veth0 or veth1 or veth2 or 27 more" in note


def test_both_ends_of_a_pair() -> None:
    left, right = (
        Interface(name, number, ARPHRD_ETHER, "veth", 0, peer)
        for name, number, peer in (("left", 7, 8), ("right", 8, 7))
    )
    for attached in ((left, right, ETH0), (right, left)):
        (note,) = notes(*attached)
        assert "left and right are the two ends of one pair" in note
        assert "'trafficmon detach --iface right' leaves one out" in note
    assert notes(left, ETH0) == []
