# SPDX-License-Identifier: MIT
"""Which XDP modes are tried, by what the interface is."""

from __future__ import annotations

import pytest

from trafficmon.attachment.xdp import XdpOutcome, candidates
from trafficmon.host.interfaces import ARPHRD_ETHER, ARPHRD_LOOPBACK, Interface
from trafficmon.layout import AttachMode

_ARPHRD_NONE = 0xFFFE  # tun: bare IP packets


def made_up(kind: str | None = None, hardware: int = ARPHRD_ETHER) -> Interface:
    return Interface("test0", 7, hardware, kind, 0, 0)


def test_auto_is_native_on_hardware() -> None:
    assert candidates(made_up(), ("auto",)) == (("native",), "")


@pytest.mark.parametrize("kind", ["veth", "bridge", "tun", "vlan", "bond", "macvlan"])
def test_auto_leaves_software_interfaces_to_tc(kind: str) -> None:
    modes, reason = candidates(made_up(kind), ("auto",))
    assert modes == ()
    assert f"a {kind} interface" in reason
    assert "tc counts" in reason


def test_auto_leaves_loopback_to_tc() -> None:
    modes, reason = candidates(made_up(hardware=ARPHRD_LOOPBACK), ("auto",))
    assert modes == ()
    assert "loopback" in reason


@pytest.mark.parametrize("requested", [("auto",), ("native",), ("generic", "off")])
def test_without_ethernet_frames_there_is_no_xdp(requested: tuple[str, ...]) -> None:
    modes, reason = candidates(made_up("tun", _ARPHRD_NONE), requested)
    assert modes == ()
    assert "test0 carries no Ethernet frames" in reason


@pytest.mark.parametrize("kind", [None, "veth"])
def test_a_mode_requested_by_name_is_tried_in_that_order(kind: str | None) -> None:
    interface = made_up(kind)
    assert candidates(interface, ("generic", "native")) == (("generic", "native"), "")
    assert candidates(interface, ("native", "off")) == (("native",), "")
    assert candidates(interface, ("off",)) == ((), "as asked")


def test_flows_are_counted_where_frames_come_one_by_one() -> None:
    counting = {mode for mode in AttachMode if XdpOutcome(mode, "").counts_flows}
    assert counting == {AttachMode.XDP_NATIVE, AttachMode.XDP_OFFLOAD}
