# SPDX-License-Identifier: MIT
"""What the kernel's facts about a hook mean: each way in which one may have been taken away."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from trafficmon.hooks.facts import CgroupFacts, HookFacts, Pin, PlaceFacts
from trafficmon.hooks.verdict import Condition, Verdict, host_verdict, interface_verdict
from trafficmon.host.filters import ListedFilter
from trafficmon.libbpf.link import LinkFacts

OURS, OTHER, LINK, IFINDEX, CGROUP = 11, 99, 5, 3, 700
NOTED = ListedFilter(priority=7, handle=1, program_id=0)
ALIVE, GONE, REPLACED = Condition.ALIVE, Condition.GONE, Condition.REPLACED
UNPINNED, UNKNOWN = Condition.UNPINNED, Condition.UNKNOWN


def link(**changed: int) -> LinkFacts:
    facts = LinkFacts(type=11, id=LINK, program_id=OURS, ifindex=IFINDEX, cgroup_id=CGROUP)
    return replace(facts, **changed)


def hook(**changed: Any) -> HookFacts:
    facts = HookFacts(frozenset({OURS}), LINK, Pin.THERE, Pin.THERE, link(), Path("pin"))
    return replace(facts, **changed)


def place(**changed: Any) -> PlaceFacts:
    tcx: dict[str, tuple[int, ...] | None] = {"tc_rx": (OURS,), "tc_tx": (OURS,)}
    return replace(PlaceFacts(is_here=True, has_namespace=True, name="eth0", tcx=tcx), **changed)


def of_link(kind: str, facts: HookFacts, where: PlaceFacts, xdp: int | None = None) -> Verdict:
    return interface_verdict(kind, facts, where, noted=None, xdp=xdp)


@pytest.mark.parametrize(
    ("facts", "where", "condition", "said"),
    [
        (hook(), place(), ALIVE, ""),
        (hook(program_pin=Pin.MISSING), place(), UNPINNED, "pin of its program"),
        (hook(link_pin=Pin.MISSING), place(), UNPINNED, "a process holds the link"),
        (hook(link_pin=Pin.MISSING, link=None), place(), GONE, "pin of its link was removed"),
        (hook(link_pin=Pin.STRANGE, link=None), place(), REPLACED, "of something else"),
        (hook(link_pin=Pin.CLOSED, link=None), place(), UNKNOWN, "only root"),
        (hook(link=link(ifindex=0)), place(), GONE, "detached by force"),
        (hook(link=link(ifindex=0)), place(name=None), GONE, "its interface has gone"),
        (hook(link=link(ifindex=0)), place(is_here=False), GONE, "or its link was detached"),
        (hook(link=link(ifindex=0)), place(has_namespace=False), GONE, "namespace has gone"),
        (hook(), place(name=None), GONE, "moved to another network namespace"),
        (hook(), place(is_here=False, name=None), ALIVE, ""),
        (hook(link=link(program_id=OTHER)), place(), REPLACED, "another program (id 99)"),
        (hook(link=link(id=6, program_id=OTHER)), place(), REPLACED, "of another link"),
    ],
)
def test_links_at_interfaces(
    facts: HookFacts, where: PlaceFacts, condition: Condition, said: str
) -> None:
    verdict = of_link("tc_rx", facts, where)
    assert verdict.condition == condition
    assert said in verdict.reason
    assert bool(said) == bool(verdict.reason)
    assert verdict.is_wrong == (condition in {GONE, REPLACED, UNPINNED})


@pytest.mark.parametrize(
    ("facts", "xdp", "condition", "said"),
    [
        (hook(link=link(ifindex=0)), OTHER, REPLACED, "program 99 is there now"),
        (hook(link=None, link_pin=Pin.CLOSED), OURS, ALIVE, ""),
        (hook(link=None, link_pin=Pin.CLOSED), OTHER, REPLACED, "another XDP program (id 99)"),
        (hook(link=None, link_pin=Pin.CLOSED), None, GONE, "carries no XDP program"),
    ],
)
def test_which_xdp_program_an_interface_has_is_no_secret(
    facts: HookFacts, xdp: int | None, condition: Condition, said: str
) -> None:
    verdict = of_link("xdp", facts, place(), xdp)
    assert verdict.condition == condition
    assert said in verdict.reason


@pytest.mark.parametrize(
    ("kind", "tcx", "foreign"),
    [
        ("tc_rx", (OURS, 98, 99), ()),
        ("tc_rx", (98, 97, OURS, 99), (98, 97)),
        ("tc_tx", (98, 97, OURS), ()),
        ("tc_tx", (98, OURS, 99, 97), (99, 97)),
        ("tc_rx", None, None),
    ],
)
def test_programs_of_others_count_where_they_settle_packets_first(
    kind: str, tcx: tuple[int, ...] | None, foreign: tuple[int, ...] | None
) -> None:
    """Before ours on the way in, after ours on the way out."""
    assert of_link(kind, hook(), place(tcx={kind: tcx})).foreign == foreign


@pytest.mark.parametrize(
    ("listed", "condition", "said"),
    [
        ([ListedFilter(7, 1, OURS)], ALIVE, ""),
        ([], GONE, "its filter was deleted"),
        ([ListedFilter(7, 2, OURS)], GONE, "its filter was deleted"),
        ([ListedFilter(8, 1, OURS)], GONE, "its filter was deleted"),
        ([ListedFilter(7, 1, OTHER)], REPLACED, "another filter is in its place (program 99)"),
        (None, UNKNOWN, "in its own network namespace only"),
    ],
)
def test_filters(listed: list[ListedFilter] | None, condition: Condition, said: str) -> None:
    where = place(tcx={"tc_rx": ()}, filters={"tc_rx": listed})
    verdict = interface_verdict("tc_rx", hook(link=None), where, noted=NOTED, xdp=None)
    assert verdict.condition == condition
    assert said in verdict.reason


@pytest.mark.parametrize(("kind", "foreign"), [("tc_rx", (50, 51, 61)), ("tc_tx", (62,))])
def test_filters_of_others_and_tcx_programs_that_run_before_filters(
    kind: str, foreign: tuple[int, ...]
) -> None:
    filters = [ListedFilter(1, 1, 61), ListedFilter(7, 1, OURS), ListedFilter(9, 1, 62)]
    where = place(tcx={kind: (50, 51)}, filters={kind: filters})
    verdict = interface_verdict(kind, hook(link=None), where, noted=NOTED, xdp=None)
    assert verdict == Verdict(ALIVE, "", foreign)


TODAY = CgroupFacts("/sys/fs/cgroup/x", CGROUP, is_visible=True)
AGAIN = replace(TODAY, id_today=CGROUP + 1)
REMOVED = replace(TODAY, id_today=None)
UNSEEN = replace(TODAY, id_today=None, is_visible=False)


@pytest.mark.parametrize(
    ("kind", "facts", "cgroup", "condition", "said"),
    [
        ("cgroup_rx", hook(), TODAY, ALIVE, ""),
        ("cgroup_rx", hook(link=link(cgroup_id=0)), AGAIN, GONE, "was removed and made again"),
        ("cgroup_rx", hook(link=link(cgroup_id=0)), REMOVED, GONE, "/x was removed"),
        ("cgroup_rx", hook(link=link(cgroup_id=0)), TODAY, GONE, "detached by force"),
        ("cgroup_rx", hook(), UNSEEN, ALIVE, ""),
        ("cgroup_rx", hook(link=link(program_id=OTHER)), TODAY, REPLACED, "(id 99)"),
        ("cgroup_rx", hook(link=None, link_pin=Pin.CLOSED), AGAIN, GONE, "made again"),
        ("cgroup_rx", hook(link=None, link_pin=Pin.CLOSED), TODAY, UNKNOWN, "only root"),
        ("cgroup_rx", hook(link=None, link_pin=Pin.MISSING), TODAY, GONE, "pin of its link"),
        ("send_length", hook(link=link(cgroup_id=0)), TODAY, ALIVE, ""),
        ("send_length", hook(link_pin=Pin.MISSING), TODAY, UNPINNED, "holds the link"),
        ("drop", hook(program_pin=Pin.MISSING), TODAY, UNPINNED, "pin of its program"),
    ],
)
def test_hooks_of_the_host(
    kind: str, facts: HookFacts, cgroup: CgroupFacts, condition: Condition, said: str
) -> None:
    verdict = host_verdict(kind, facts, CGROUP, cgroup)
    assert verdict.condition == condition
    assert said in verdict.reason
    assert bool(said) == bool(verdict.reason)
