# SPDX-License-Identifier: MIT
"""What an attach requests: accepted as meant, or refused with what to write instead."""

from __future__ import annotations

import grp
from collections.abc import Callable
from pathlib import Path

import pytest

from trafficmon.attachment import request, store
from trafficmon.attachment.stacking import covered
from trafficmon.attachment.store import Geometry
from trafficmon.errors import UsageError
from trafficmon.host import netns
from trafficmon.host.interfaces import ARPHRD_ETHER, Interface
from trafficmon.layout import FLOW_SET, HOOK_COUNTERS, HOOKS, NO_GROUP

_CACHE_BYTES = 16 << 20


def made_up(ifindex: int, kind: str | None, *, master: int = 0, lower: int = 0) -> Interface:
    return Interface(f"if{ifindex}", ifindex, ARPHRD_ETHER, kind, master, lower)


@pytest.mark.parametrize(
    ("text", "modes"),
    [
        ("auto", ("auto",)),
        ("native,generic", ("native", "generic")),
        (" generic , off ", ("generic", "off")),
    ],
)
def test_xdp_modes_keep_their_order(text: str, modes: tuple[str, ...]) -> None:
    assert request.parse_xdp_modes(text) == modes


@pytest.mark.parametrize("text", ["", ",", "fast", "auto,native", "native;generic", "NATIVE"])
def test_other_xdp_modes_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^invalid value for --xdp: .*(auto|native)"):
        request.parse_xdp_modes(text)


def test_layers() -> None:
    assert request.parse_layers(None) == ("xdp", "tc", "dns", "cgroup", "sockops", "app", "drops")
    assert request.parse_layers("tc") == ("tc",)
    assert request.parse_layers("tc, xdp,tc") == ("tc", "xdp")


@pytest.mark.parametrize("text", ["", ",", "tcp", "cgroups"])
def test_other_layers_are_refused_and_those_that_exist_are_reported(text: str) -> None:
    with pytest.raises(UsageError, match="xdp, tc"):
        request.parse_layers(text)


def test_messages_are_copied_by_what_sees_them() -> None:
    assert request.parse_layers("tc,dns") == ("tc", "dns")
    with pytest.raises(UsageError, match="add tc to --layer"):
        request.parse_layers("dns,cgroup")


def test_tc_modes() -> None:
    assert [request.parse_tc_mode(mode) for mode in request.TC_MODES] == list(request.TC_MODES)
    with pytest.raises(UsageError, match="tcx, clsact"):
        request.parse_tc_mode("TCX")


def test_the_flow_table_has_limits() -> None:
    assert request.parse_max_flows(None) is None
    assert request.parse_max_flows(1024) == 1024
    assert request.parse_max_flows(16_777_216) == 16_777_216
    for requested in (-1, 0, 1023, 16_777_217):
        with pytest.raises(UsageError, match="1024 to 16777216"):
            request.parse_max_flows(requested)


def test_the_readers_group() -> None:
    known = grp.getgrall()[0]
    assert request.group_number(known.gr_name) == known.gr_gid
    assert request.group_number(None) == NO_GROUP
    with pytest.raises(UsageError, match="groupadd"):
        request.group_number("trafficmon-no-such-group")


def test_interfaces_are_taken_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"eth0": made_up(2, None), "veth1": made_up(3, "veth")}
    monkeypatch.setattr(request, "all_interfaces", lambda: known)
    assert request.interfaces_named(["veth1", "eth0", "veth1"]) == (known["veth1"], known["eth0"])
    with pytest.raises(UsageError, match="did you mean eth0"):
        request.interfaces_named(["eth00"])


def test_without_a_default_route_one_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netns, "default_route_interface", lambda: None)
    with pytest.raises(UsageError, match="no --iface given"):
        request.usual_interfaces()


def test_a_path_that_is_no_cgroup_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a cgroup v2 directory"):
        request.cgroup_path(tmp_path)
    with pytest.raises(UsageError, match=r"invalid value for --cgroup: .* \(no such directory"):
        request.cgroup_path(tmp_path / "missing")


def pretend_cpus(count: int) -> Callable[[], int]:
    return lambda: count


def test_map_sizes_for_1_to_1024_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = []
    for cpus in range(1, 1025):
        monkeypatch.setattr(store, "possible_cpus", pretend_cpus(cpus))
        geometry = Geometry.choose(131072, 1)
        chosen.append(geometry.flow_sets)
        assert geometry.flow_sets.bit_count() == 1
        entries = geometry.map_entries()
        assert entries["flow_cache"] == geometry.flow_sets * cpus
        bytes_used = entries["flow_cache"] * FLOW_SET.itemsize
        assert bytes_used <= _CACHE_BYTES or geometry.flow_sets == store._FEWEST_SETS, cpus
        assert entries["flows"] >= 131072
    assert chosen == sorted(chosen, reverse=True)


def test_interfaces_get_room_for_more_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to 16 MiB of counters, but never for less than 64, and for as many again as are named."""
    for cpus, room in ((2, 1024), (16, 1024), (32, 512), (128, 128), (1024, 64)):
        monkeypatch.setattr(store, "possible_cpus", lambda cpus=cpus: cpus)
        geometry = Geometry.choose(1024, 1)
        assert geometry.max_interfaces == room
        cells = geometry.map_entries()["hook_counters"]
        assert cells == 2 * room * HOOKS * cpus
        assert cells * HOOK_COUNTERS.itemsize <= 16 << 20 or room == 64
        assert Geometry.choose(1024, 1500).max_interfaces == 3000


@pytest.mark.parametrize("kind", ["vlan", "macvlan", "macvtap", "ipvlan", "ipvtap"])
def test_what_sits_on_an_attached_interface_is_covered(kind: str) -> None:
    below, above = made_up(2, None), made_up(3, kind, lower=2)
    assert covered(above, [below, above])
    assert not covered(above, [above])
    assert not covered(below, [below, above])


@pytest.mark.parametrize("kind", ["bridge", "bond"])
def test_a_master_is_covered_by_an_attached_port(kind: str) -> None:
    master, port = made_up(5, kind), made_up(6, "veth", master=5)
    assert covered(master, [master, port])
    assert not covered(master, [master, made_up(7, "veth", master=9)])
    assert not covered(port, [master, port])


def test_what_lies_in_between_need_not_be_attached() -> None:
    """A VLAN on a bond of which only the ports are attached."""
    port, bond = made_up(2, None, master=3), made_up(3, "bond")
    vlan, above = made_up(4, "vlan", lower=3), made_up(5, "macvlan", lower=4)
    known = [port, bond, vlan, above]
    for upper in (bond, vlan, above):
        assert covered(upper, [port, upper], known)
        assert not covered(upper, [upper], known)
    assert covered(above, [above, vlan], known)
    assert not covered(port, known, known)
    assert not covered(vlan, [vlan, above], known)


@pytest.mark.parametrize("kind", ["vxlan", "gre", "veth"])
def test_tunnels_and_veth_peers_are_not_covered(kind: str) -> None:
    below = made_up(2, None)
    assert not covered(made_up(3, kind, lower=2), [below])


def test_an_interface_needs_a_layer_that_is_at_interfaces() -> None:
    request.require_wire_layer(("cgroup",), None)
    request.require_wire_layer(("tc", "cgroup"), ["eth0"])
    with pytest.raises(UsageError, match=r"--iface eth0: .*cgroup,app.* none"):
        request.require_wire_layer(("cgroup", "app"), ["eth0"])
