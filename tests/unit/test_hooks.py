# SPDX-License-Identifier: MIT
"""From facts about a hook to a verdict; what is listed of filters; what is said of it."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.unit.sample_builder import SampleBuilder
from trafficmon.hook_registry import HOST_KINDS
from trafficmon.hooks.facts import CgroupFacts, HookFacts, Kernel, Pin, PlaceFacts
from trafficmon.hooks.verdict import host_verdict, interface_verdict
from trafficmon.host import cgroups, filters
from trafficmon.host.filters import ListedFilter
from trafficmon.layout import HOST_HOOKS as ROOM
from trafficmon.libbpf.link import LinkFacts
from trafficmon.model.verdicts import (
    ALIVE,
    Condition,
    Findings,
    InterfaceFinding,
    Presence,
    Verdict,
)
from trafficmon.tables.health import complaints, is_wrong

OURS, THEIRS, LINK, CGROUP = 7, 8, 70, 900
ON_LINK = LinkFacts(type=3, id=LINK, program_id=OURS, ifindex=2, cgroup_id=CGROUP)
HOOK = HookFacts(frozenset({OURS}), LINK, Pin.THERE, Pin.THERE, ON_LINK, Path("progs/x"))
CLOSED = replace(HOOK, link_pin=Pin.CLOSED, program_pin=Pin.CLOSED, link=None)
HERE = PlaceFacts(is_here=True, has_namespace=True, name="eth0", tcx={"tc_rx": (OURS,)})
GONE = PlaceFacts(is_here=True, has_namespace=True)
WATCHED = CgroupFacts("/x", CGROUP, is_visible=True)


def on_link(hook: HookFacts = HOOK, **members: int) -> HookFacts:
    return replace(hook, link=replace(ON_LINK, **members))


@pytest.mark.parametrize(
    ("hook", "place", "condition", "reason"),
    [
        (HOOK, HERE, Condition.ALIVE, ""),
        (on_link(ifindex=0), HERE, Condition.GONE, "detached by force"),
        (on_link(ifindex=0), GONE, Condition.GONE, "interface was removed"),
        (HOOK, GONE, Condition.GONE, "moved to another network namespace"),
        (on_link(program_id=THEIRS), HERE, Condition.REPLACED, f"another program (id {THEIRS})"),
        (on_link(id=71, program_id=THEIRS), HERE, Condition.REPLACED, "of another link"),
        (replace(HOOK, link_pin=Pin.MISSING), HERE, Condition.UNPINNED, "a process holds"),
        (replace(HOOK, link_pin=Pin.MISSING, link=None), HERE, Condition.GONE, "pin of its link"),
        (replace(HOOK, link_pin=Pin.STRANGE, link=None), HERE, Condition.REPLACED, "something"),
        (replace(HOOK, program_pin=Pin.MISSING), HERE, Condition.UNPINNED, "pin of its program"),
        (replace(HOOK, program_pin=Pin.CLOSED), HERE, Condition.ALIVE, ""),
        (CLOSED, HERE, Condition.UNKNOWN, "only root"),
        (CLOSED, GONE, Condition.GONE, "interface was removed"),
        (
            on_link(ifindex=0),
            PlaceFacts(is_here=False, has_namespace=False),
            Condition.GONE,
            "network namespace was deleted",
        ),
        (
            on_link(ifindex=0),
            PlaceFacts(is_here=False, has_namespace=True),
            Condition.GONE,
            "or its link was detached by force",
        ),
        (HOOK, PlaceFacts(is_here=False, has_namespace=False), Condition.ALIVE, ""),
    ],
)
def test_a_tcx_link(hook: HookFacts, place: PlaceFacts, condition: Condition, reason: str) -> None:
    verdict = interface_verdict("tc_rx", hook, place, noted=None, xdp=None)
    assert verdict.condition == condition
    assert reason in verdict.reason
    assert bool(verdict.reason) == bool(reason)
    assert verdict.is_wrong == (condition not in (Condition.ALIVE, Condition.UNKNOWN))


@pytest.mark.parametrize(
    ("hook", "xdp", "condition"),
    [
        (HOOK, None, Condition.ALIVE),
        (on_link(ifindex=0), None, Condition.GONE),
        (on_link(ifindex=0), THEIRS, Condition.REPLACED),
        (CLOSED, OURS, Condition.ALIVE),
        (CLOSED, None, Condition.GONE),
        (CLOSED, THEIRS, Condition.REPLACED),
    ],
)
def test_an_xdp_program(hook: HookFacts, xdp: int | None, condition: Condition) -> None:
    assert interface_verdict("xdp", hook, HERE, noted=None, xdp=xdp).condition == condition


@pytest.mark.parametrize(
    ("kind", "tcx", "foreign"),
    [
        ("tc_rx", (OURS,), ()),
        ("tc_rx", (THEIRS, 9, OURS, 10), (THEIRS, 9)),
        ("tc_tx", (OURS,), ()),
        ("tc_tx", (THEIRS, OURS, 9, 10), (9, 10)),
        ("tc_rx", None, None),
    ],
)
def test_programs_of_others_between_ours_and_the_wire(
    kind: str, tcx: tuple[int, ...] | None, foreign: tuple[int, ...] | None
) -> None:
    place = replace(HERE, tcx={kind: tcx})
    verdict = interface_verdict(kind, HOOK, place, noted=None, xdp=None)
    assert verdict == replace(ALIVE, foreign=foreign)


NOTED = ListedFilter(2, 77, 0)
BY_FILTER = replace(HOOK, link_id=0, link=None)


@pytest.mark.parametrize(
    ("kind", "listed", "tcx", "expected"),
    [
        ("tc_rx", [ListedFilter(2, 77, OURS)], (), replace(ALIVE, foreign=())),
        (
            "tc_rx",
            [ListedFilter(1, 5, THEIRS), ListedFilter(2, 77, OURS), ListedFilter(3, 5, 9)],
            (10,),
            replace(ALIVE, foreign=(10, THEIRS)),
        ),
        (
            "tc_tx",
            [ListedFilter(1, 5, THEIRS), ListedFilter(2, 77, OURS), ListedFilter(3, 5, 9)],
            (10,),
            replace(ALIVE, foreign=(9,)),
        ),
        ("tc_rx", [ListedFilter(2, 78, OURS)], (), Condition.GONE),
        ("tc_rx", [ListedFilter(3, 77, OURS)], (), Condition.GONE),
        ("tc_rx", [], (), Condition.GONE),
        ("tc_rx", [ListedFilter(2, 77, THEIRS)], (), Condition.REPLACED),
        ("tc_rx", None, (), Condition.UNKNOWN),
    ],
)
def test_a_filter(
    kind: str,
    listed: list[ListedFilter] | None,
    tcx: tuple[int, ...],
    expected: Verdict | Condition,
) -> None:
    place = replace(HERE, tcx={kind: tcx}, filters={kind: listed})
    verdict = interface_verdict(kind, BY_FILTER, place, noted=NOTED, xdp=None)
    assert expected in (verdict, verdict.condition)


@pytest.mark.parametrize(
    ("kind", "hook", "cgroup", "condition", "reason"),
    [
        ("cgroup_rx", HOOK, WATCHED, Condition.ALIVE, ""),
        ("cgroup_rx", on_link(cgroup_id=0), WATCHED, Condition.GONE, "detached by force"),
        (
            "cgroup_rx",
            on_link(cgroup_id=0),
            replace(WATCHED, id_today=901),
            Condition.GONE,
            "/x was removed and made again",
        ),
        (
            "cgroup_rx",  # its sockets keep the old cgroup, and the link on it
            HOOK,
            replace(WATCHED, id_today=901),
            Condition.GONE,
            "/x was removed and made again",
        ),
        ("tcp_read", HOOK, replace(WATCHED, id_today=901), Condition.GONE, "made again"),
        ("tcp_read", HOOK, replace(WATCHED, id_today=None), Condition.GONE, "/x was removed"),
        (
            "tcp_read",  # a container that does not see the hierarchy
            HOOK,
            CgroupFacts("/x", None, is_visible=False),
            Condition.ALIVE,
            "",
        ),
        ("cgroup_rx", on_link(program_id=THEIRS), WATCHED, Condition.REPLACED, "another program"),
        ("cgroup_rx", CLOSED, WATCHED, Condition.UNKNOWN, "only root"),
        ("cgroup_rx", CLOSED, replace(WATCHED, id_today=901), Condition.GONE, "made again"),
    ],
)
def test_a_hook_of_the_host(
    kind: str, hook: HookFacts, cgroup: CgroupFacts, condition: Condition, reason: str
) -> None:
    verdict = host_verdict(kind, hook, CGROUP, cgroup)
    assert verdict.condition == condition
    assert reason in verdict.reason
    assert bool(verdict.reason) == bool(reason)


def test_what_watches_no_cgroup_does_not_mind_another_one() -> None:
    assert host_verdict("sockets", HOOK, 0, replace(WATCHED, id_today=901)) == ALIVE


@pytest.mark.parametrize("error", [PermissionError, FileNotFoundError])
def test_a_cgroup_that_may_not_be_looked_at_is_not_taken_for_gone(
    error: type[OSError], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a member of the group, who may not search a directory above it."""

    def refuse(path: Path) -> None:
        raise error(path)

    kernel = Kernel.__new__(Kernel)
    kernel.__dict__["_meta"] = {"cgroup": np.frombuffer(b"/sys/fs/cgroup/x\0", np.uint8)}
    monkeypatch.setattr(cgroups, "would_be_visible", lambda _: True)
    monkeypatch.setattr(Path, "stat", refuse)
    found = kernel.cgroup()
    assert found.id_today is None
    assert found.is_visible == (error is FileNotFoundError)


def test_there_is_room_for_all_hooks() -> None:
    assert len(HOST_KINDS) <= ROOM


def said(*found: InterfaceFinding, host: dict[str, Verdict] | None = None) -> list[str]:
    fake = SampleBuilder()
    fake.findings = Findings({one.slot: one for one in found}, host or {})
    lines = complaints(fake.sample)
    assert is_wrong(fake.sample)
    return lines


def finding(slot: int, presence: Presence, back_as: int | None = None) -> InterfaceFinding:
    lost = Verdict(Condition.GONE, "its interface was removed")
    return InterfaceFinding(slot, f"veth{slot}", presence, back_as, {"tc_tx": lost})


def test_many_that_are_gone_are_one_line() -> None:
    (line,) = said(*(finding(slot, Presence.GONE) for slot in range(64)))
    assert line.startswith("veth0, veth1, veth2, veth3, veth4 and 59 more were removed; their ")


HERE_ALIVE = InterfaceFinding(9, "eth0", Presence.HERE, None, {"tc_tx": ALIVE})


@pytest.mark.parametrize(
    ("found", "wrong"),
    [
        ([HERE_ALIVE], False),
        ([HERE_ALIVE, finding(0, Presence.GONE)], False),
        ([HERE_ALIVE, finding(0, Presence.MOVED)], False),
        ([HERE_ALIVE, finding(0, Presence.GONE, back_as=7)], True),
        ([HERE_ALIVE, finding(0, Presence.HERE)], True),
        ([finding(0, Presence.GONE)], True),
        ([finding(0, Presence.GONE), finding(1, Presence.MOVED)], True),
        ([finding(0, Presence.NAMESPACE_GONE), finding(1, Presence.NAMESPACE_GONE)], True),
        ([], False),
    ],
)
def test_a_removed_interface_is_no_fault_while_another_is_there(
    found: list[InterfaceFinding], wrong: bool
) -> None:
    by_slot = {one.slot: one for one in found}
    assert Findings(by_slot, {}).is_wrong == wrong
    assert Findings(by_slot, {"cgroup_rx": ALIVE}).is_wrong == wrong
    lost = Verdict(Condition.GONE, "its link was detached by force")
    assert Findings(by_slot, {"cgroup_rx": lost}).is_wrong


def test_hooks_that_were_lost_alike_are_one_line() -> None:
    lost = Verdict(Condition.GONE, "the cgroup /x was removed and made again")
    host = dict.fromkeys(("sock_create", "cgroup_rx", "sock_ops", "tcp_read"), lost)
    (line,) = said(host=host)
    assert line == (
        "layers cgroup, sockops, app are not counted: the cgroup /x was removed and made again; "
        "'trafficmon attach --replace' counts on"
    )
    (line,) = said(host={"sock_create": ALIVE, "cgroup_rx": lost})
    assert line.startswith("layer cgroup (cgroup_rx) is not counted: ")


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value.ljust((len(value) + 3) & ~3, b"\0")


def listed(handle: int, *attributes: bytes) -> ListedFilter | None:
    head = struct.pack("=BxxxiIII", 0, 2, handle, 0xFFFFFFF2, 3 << 16 | 8)
    return filters._filter(head + b"".join(attributes))


def test_filters_are_read_from_netlink() -> None:
    options = attribute(2, attribute(7, b"name\0") + attribute(11, struct.pack("=I", 55)))
    assert listed(9, attribute(1, b"bpf\0"), options) == ListedFilter(3, 9, 55)
    assert listed(9, attribute(1, b"u32\0"), options) == ListedFilter(3, 9, 0)
    assert listed(0, attribute(1, b"bpf\0"), options) is None  # the head of a priority
    other_chain = attribute(11, struct.pack("=I", 4))
    assert listed(9, attribute(1, b"bpf\0"), other_chain, options) is None
