# SPDX-License-Identifier: MIT
"""Links on interfaces: attached while held, swapped without a gap, gone with their holder."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kernel import probe
from tests.kernel.needs import needs_tcx
from tests.kernel.probe import Counter, LinkType
from tests.lab.namespace import Namespace
from tests.lab.veth import Endpoint, connect
from trafficmon.errors import BpfError
from trafficmon.host import netns
from trafficmon.libbpf import clsact, info
from trafficmon.libbpf.clsact import Filter, TcAttachPoint
from trafficmon.libbpf.link import Link, attach_tcx, attach_xdp
from trafficmon.libbpf.object import Object, Program
from trafficmon.uapi import AttachType, XdpFlag

pytestmark = pytest.mark.kernel

PROGRAMS = ("probe_xdp", "probe_xdp_second", "probe_tc", "probe_tc_second")
Attach = Callable[[Program, int], Link]
WAYS: dict[str, tuple[Attach, str, LinkType]] = {
    "xdp native": (lambda p, i: attach_xdp(p, i, XdpFlag.DRV_MODE), "probe_xdp", LinkType.XDP),
    "xdp generic": (lambda p, i: attach_xdp(p, i, XdpFlag.SKB_MODE), "probe_xdp", LinkType.XDP),
    "tcx ingress": (
        lambda p, i: attach_tcx(p, i, AttachType.TCX_INGRESS),
        "probe_tc",
        LinkType.TCX,
    ),
    "tcx egress": (
        lambda p, i: attach_tcx(p, i, AttachType.TCX_EGRESS),
        "probe_tc",
        LinkType.TCX,
    ),
}


class Wire:
    """A veth pair in one namespace, and datagrams over it."""

    def __init__(self, namespace: Namespace, far: Namespace) -> None:
        self.link = connect(namespace, far)
        self.near: Endpoint = self.link.left
        self.far: Endpoint = self.link.right

    def ifindex(self) -> int:
        with self.near.namespace.inside():
            number = netns.ifindex_of(self.near.interface)
        assert number is not None
        return number

    def exchange(self, count: int) -> None:
        """``count`` datagrams each way: so many come in at ``near``, so many go out."""
        for sender, receiver in ((self.near, self.far), (self.far, self.near)):
            with (
                receiver.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as there,
                sender.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as here,
            ):
                there.bind((receiver.ipv4, 0))
                there.settimeout(5)
                for number in range(count):
                    here.sendto(bytes([number]), there.getsockname())
                    assert there.recv(16) == bytes([number])

    def falls_silent(self, count: Callable[[], int]) -> bool:
        """Whether packets stop being counted; the kernel frees a link in its own time."""
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            before = count()
            self.exchange(1)
            if count() == before:
                return True
        return False


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with Namespace("probe") as near, Namespace("probe") as far:
        yield Wire(near, far)


@pytest.fixture
def opened(probe_path: Path) -> Iterator[Object]:
    with probe.loaded(probe_path, *PROGRAMS) as made:
        yield made


@pytest.fixture
def inside(wire: Wire) -> Iterator[int]:
    """In the near namespace; the number of its interface."""
    ifindex = wire.ifindex()
    with wire.near.namespace.inside():
        yield ifindex


@pytest.mark.parametrize("way", list(WAYS))
def test_a_link_attaches_swaps_and_lets_go(
    way: str, wire: Wire, opened: Object, inside: int
) -> None:
    attach, name, kind = WAYS[way]
    with opened.program(name) as first, opened.program(f"{name}_second") as second:
        with attach(first, inside) as link:
            wire.exchange(5)
            assert probe.runs(opened, Counter.FIRST) == 5
            facts = link.facts()
            assert (facts.type, facts.ifindex) == (kind, inside)
            assert facts.program_id == info.program_facts(first).id

            link.update(second)
            wire.exchange(7)
            assert probe.runs(opened, Counter.FIRST) == 5
            assert probe.runs(opened, Counter.SECOND) == 7
            assert link.facts().program_id == info.program_facts(second).id
            assert link.facts().id == facts.id
        wire.exchange(3)
        assert probe.runs(opened, Counter.FIRST) == 5
        assert probe.runs(opened, Counter.SECOND) == 7


@pytest.mark.parametrize("way", list(WAYS))
def test_a_pinned_link_stays_until_the_pin_goes(
    way: str, wire: Wire, opened: Object, inside: int
) -> None:
    attach, name, _ = WAYS[way]
    with opened.program(name) as program, probe.free_pin() as pin:
        with attach(program, inside) as link:
            link.pin(str(pin))
            facts = link.facts()
        wire.exchange(2)
        with Link.from_pin(str(pin)) as again:
            assert again.facts() == facts
        assert probe.runs(opened, Counter.FIRST) == 2
        pin.unlink()
        assert wire.falls_silent(lambda: probe.runs(opened, Counter.FIRST))


@pytest.mark.parametrize("way", list(WAYS))
def test_detach_works_though_others_hold_the_link(
    way: str, wire: Wire, opened: Object, inside: int
) -> None:
    attach, name, _ = WAYS[way]
    with opened.program(name) as program, attach(program, inside) as link:
        link.detach()
        wire.exchange(2)
        assert probe.runs(opened, Counter.FIRST) == 0
        assert link.facts().ifindex == 0
        with pytest.raises(BpfError, match=f"cannot update link {name}"):
            link.update(program)


def test_one_interface_takes_one_xdp_program(wire: Wire, opened: Object, inside: int) -> None:
    with opened.program("probe_xdp") as first, opened.program("probe_xdp_second") as second:
        assert info.xdp_program(inside) is None
        with attach_xdp(first, inside, XdpFlag.DRV_MODE):
            assert info.xdp_program(inside) == info.program_facts(first).id
            for mode in (XdpFlag.DRV_MODE, XdpFlag.SKB_MODE):
                with pytest.raises(BpfError, match=r"attach probe_xdp_second \(xdp\) to") as caught:
                    attach_xdp(second, inside, mode)
                assert caught.value.errno in (errno.EBUSY, errno.EEXIST)
        assert info.xdp_program(inside) is None


def test_tcx_takes_several_and_lets_each_packet_continue(
    wire: Wire, opened: Object, inside: int
) -> None:
    """Both answer "continue", so both see every packet, in both directions."""
    needs_tcx()
    with (
        opened.program("probe_tc") as first,
        opened.program("probe_tc_second") as second,
        attach_tcx(first, inside, AttachType.TCX_INGRESS),
        attach_tcx(second, inside, AttachType.TCX_INGRESS),
    ):
        wire.exchange(6)
    assert probe.runs(opened, Counter.FIRST) == probe.runs(opened, Counter.SECOND) == 6


def test_what_cannot_be_attached_says_where(opened: Object, inside: int) -> None:
    needs_tcx()
    with opened.program("probe_xdp") as xdp, opened.program("probe_tc") as tc:
        with pytest.raises(BpfError, match=r"probe_xdp \(xdp\) to interface 2147483647: "):
            attach_xdp(xdp, 0x7FFFFFFF, XdpFlag.SKB_MODE)
        with pytest.raises(BpfError, match=rf"probe_tc \(xdp\) to interface {inside}: Invalid"):
            attach_xdp(tc, inside, XdpFlag.SKB_MODE)
        with pytest.raises(BpfError, match=r"probe_xdp \(tcx_ingress\)"):
            attach_tcx(xdp, inside, AttachType.TCX_INGRESS)
        with attach_tcx(tc, inside, AttachType.TCX_EGRESS) as link, pytest.raises(BpfError):
            link.update(xdp)


@pytest.mark.parametrize("way", list(WAYS))
def test_a_link_knows_that_its_interface_is_gone(way: str, opened: Object) -> None:
    attach, name, _ = WAYS[way]
    with (
        Namespace("probe") as near,
        Namespace("probe") as far,
        opened.program(name) as program,
    ):
        wire = Wire(near, far)
        ifindex = wire.ifindex()
        with near.inside(), attach(program, ifindex) as link:
            assert link.facts().ifindex == ifindex
            near.run(["ip", "link", "delete", "dev", wire.near.interface])
            assert link.facts().ifindex == 0


@pytest.mark.parametrize(
    ("point", "handle", "priority"),
    [(TcAttachPoint.INGRESS, 1, 49152), (TcAttachPoint.EGRESS, 7, 1)],
)
def test_filters_on_clsact(
    wire: Wire, opened: Object, inside: int, point: TcAttachPoint, handle: int, priority: int
) -> None:
    place = Filter(inside, point, handle, priority)
    assert clsact.make_qdisc(inside)
    try:
        assert not clsact.make_qdisc(inside), "there is one already"
        assert clsact.filter_program(place) is None
        with opened.program("probe_tc") as first, opened.program("probe_tc_second") as second:
            clsact.add_filter(place, first)
            assert clsact.filter_program(place) == info.program_facts(first).id
            wire.exchange(4)
            with pytest.raises(BpfError) as caught:
                clsact.add_filter(place, second)
            assert caught.value.errno == errno.EEXIST
            assert place.subject in str(caught.value)
            clsact.add_filter(place, second, replace=True)
            assert clsact.filter_program(place) == info.program_facts(second).id
        wire.exchange(5)  # no handle holds the program any more, the filter does
        clsact.remove_filter(place)
        wire.exchange(6)
        assert probe.runs(opened, Counter.FIRST) == 4
        assert probe.runs(opened, Counter.SECOND) == 5
        assert clsact.filter_program(place) is None
        clsact.remove_filter(place)
    finally:
        clsact.remove_qdisc(inside)
    clsact.remove_qdisc(inside)
    clsact.remove_filter(place)
    assert clsact.filter_program(place) is None


def test_clsact_where_there_is_no_interface(opened: Object) -> None:
    nowhere = Filter(0x7FFFFFF0, TcAttachPoint.INGRESS, 1, 1)
    with pytest.raises(BpfError, match="cannot make a clsact qdisc on interface 2147483632"):
        clsact.make_qdisc(nowhere.ifindex)
    with opened.program("probe_tc") as program, pytest.raises(BpfError, match="tc ingress filter"):
        clsact.add_filter(nowhere, program)
    clsact.remove_qdisc(nowhere.ifindex)
    clsact.remove_filter(nowhere)
    assert clsact.filter_program(nowhere) is None


def test_filters_of_others_are_left_alone(wire: Wire, opened: Object, inside: int) -> None:
    """Distinguished by handle and priority."""
    ours, theirs = (
        Filter(inside, TcAttachPoint.INGRESS, 1, 10),
        Filter(inside, TcAttachPoint.INGRESS, 1, 20),
    )
    clsact.make_qdisc(inside)
    try:
        with opened.program("probe_tc") as program, opened.program("probe_tc_second") as other:
            clsact.add_filter(theirs, other)
            clsact.add_filter(ours, program)
            clsact.remove_filter(ours)
            assert clsact.filter_program(theirs) == info.program_facts(other).id
    finally:
        clsact.remove_qdisc(inside)
