# SPDX-License-Identifier: MIT
"""From the kernel's facts about a hook to whether it counts. Pure: no system call is made here."""

from __future__ import annotations

from dataclasses import replace

from trafficmon.hook_registry import HOST_HOOKS
from trafficmon.hooks.facts import TC_POINTS, CgroupFacts, HookFacts, Pin, PlaceFacts
from trafficmon.host.filters import ListedFilter
from trafficmon.libbpf.clsact import TcAttachPoint
from trafficmon.model.verdicts import ALIVE, Condition, Verdict

_ROOT_MAY_LOOK = Verdict(Condition.UNKNOWN, "only root may query the kernel", None)
_PROGRAM_UNPINNED = Verdict(Condition.UNPINNED, "the pin of its program was removed")
_NAMESPACE_GONE = "its network namespace was deleted"
_INTERFACE_GONE = "its interface was removed"
_INTERFACE_MOVED = "its interface has moved to another network namespace"
_DETACHED = "its link was detached by force"
_DETACHED_OR_GONE = "its interface was removed, or its link was detached by force"


def interface_verdict(
    kind: str, hook: HookFacts, place: PlaceFacts, *, noted: ListedFilter | None, xdp: int | None
) -> Verdict:
    """Of a hook at an interface. ``noted``: its filter, if it is one; ``xdp``: what runs there."""
    if noted is not None:
        verdict = _filter_verdict(kind, hook, place, noted)
    else:
        verdict = _link_verdict(kind, hook, place, xdp)
    if verdict == ALIVE and hook.program_pin == Pin.MISSING:
        verdict = _PROGRAM_UNPINNED
    if verdict.is_wrong or kind not in TC_POINTS:
        return verdict
    return replace(verdict, foreign=_foreign(kind, hook, place, noted))


def host_verdict(kind: str, hook: HookFacts, watched_id: int, cgroup: CgroupFacts) -> Verdict:
    """Of a hook that there is once. ``watched_id``: of the cgroup that it was made for, or 0."""
    is_on_cgroup = HOST_HOOKS[kind].is_on_cgroup
    lost = _lost_cgroup(watched_id, cgroup)
    if hook.link is None:
        if lost and hook.link_pin == Pin.CLOSED:
            return Verdict(Condition.GONE, lost)
        return _without_link(hook)
    if (elses := _of_somebody_else(hook)) is not None:
        return elses
    if is_on_cgroup and not hook.link.cgroup_id:
        return Verdict(Condition.GONE, lost or _DETACHED)
    if lost:
        return Verdict(Condition.GONE, lost)
    return _pinned(hook)


def _lost_cgroup(watched_id: int, cgroup: CgroupFacts) -> str:
    """Why the cgroup that a hook was made for is not the one of that path; "" if it is."""
    if not watched_id or cgroup.id_today == watched_id or not cgroup.is_visible:
        return ""
    if cgroup.id_today is None:
        return f"the cgroup {cgroup.path} was removed"
    return f"the cgroup {cgroup.path} was removed and made again"


def _without_link(hook: HookFacts) -> Verdict:
    if hook.link_pin == Pin.STRANGE:
        return Verdict(Condition.REPLACED, "the pin of its link is of something else")
    if hook.link_pin == Pin.MISSING:
        return Verdict(Condition.GONE, "the pin of its link was removed")
    return _ROOT_MAY_LOOK


def _of_somebody_else(hook: HookFacts) -> Verdict | None:
    link = hook.link
    if link is None:
        return None
    if link.id != hook.link_id and link.program_id not in hook.program_ids:
        return Verdict(Condition.REPLACED, "the pin of its link is of another link")
    if link.program_id not in hook.program_ids:
        return Verdict(
            Condition.REPLACED, f"its link was given another program (id {link.program_id})"
        )
    return None


def _pinned(hook: HookFacts) -> Verdict:
    if hook.link_pin == Pin.MISSING:
        reason = "the pin of its link was removed; a process holds the link for now"
        return Verdict(Condition.UNPINNED, reason)
    return _PROGRAM_UNPINNED if hook.program_pin == Pin.MISSING else ALIVE


def _link_verdict(kind: str, hook: HookFacts, place: PlaceFacts, xdp: int | None) -> Verdict:
    if hook.link is None:
        return _unopened_link_verdict(kind, hook, place, xdp)
    if (elses := _of_somebody_else(hook)) is not None:
        return elses
    if hook.link.ifindex == 0:
        lost = _lost_interface(place) or (_DETACHED if place.is_here else _DETACHED_OR_GONE)
        if kind == "xdp" and xdp is not None:
            return Verdict(Condition.REPLACED, f"{lost}, and program {xdp} is there now")
        return Verdict(Condition.GONE, lost)
    if place.is_here and place.name is None:
        return Verdict(Condition.GONE, _INTERFACE_MOVED)
    return _pinned(hook)


def _unopened_link_verdict(
    kind: str, hook: HookFacts, place: PlaceFacts, xdp: int | None
) -> Verdict:
    """What is known without the link: every user may query an interface's XDP program."""
    if lost := _lost_interface(place):
        return Verdict(Condition.GONE, lost)
    if hook.link_pin != Pin.CLOSED or kind != "xdp" or not place.is_here:
        return _without_link(hook)
    if xdp is None:
        return Verdict(Condition.GONE, "its interface carries no XDP program")
    if xdp not in hook.program_ids:
        return Verdict(Condition.REPLACED, f"its interface carries another XDP program (id {xdp})")
    return ALIVE


def _lost_interface(place: PlaceFacts) -> str:
    if not place.has_namespace:
        return _NAMESPACE_GONE
    return _INTERFACE_GONE if place.is_here and place.name is None else ""


def _filter_verdict(kind: str, hook: HookFacts, place: PlaceFacts, noted: ListedFilter) -> Verdict:
    if lost := _lost_interface(place):
        return Verdict(Condition.GONE, lost)
    listed = place.filters.get(kind)
    if listed is None:
        reason = "it can be queried in its own network namespace only"
        return Verdict(Condition.UNKNOWN, reason, None)
    at = [one.program_id for one in listed if is_at(one, noted)]
    if not at:
        return Verdict(Condition.GONE, "its filter was deleted, or the clsact qdisc with it")
    if at[0] not in hook.program_ids:
        return Verdict(Condition.REPLACED, f"another filter is in its place (program {at[0]})")
    return ALIVE


def is_at(one: ListedFilter, noted: ListedFilter) -> bool:
    """Whether two filters have the same place."""
    return (one.priority, one.handle) == (noted.priority, noted.handle)


def _foreign(
    kind: str, hook: HookFacts, place: PlaceFacts, noted: ListedFilter | None
) -> tuple[int, ...] | None:
    """On ingress who comes before ours, on egress who comes after: tcx is run before filters."""
    tcx, filters = place.tcx.get(kind), place.filters.get(kind)
    is_ingress = TC_POINTS[kind] == TcAttachPoint.INGRESS
    if noted is not None and filters is not None:
        ours = next((n for n, one in enumerate(filters) if is_at(one, noted)), 0)
        others = filters[:ours] if is_ingress else filters[ours + 1 :]
        before = tcx if is_ingress else ()
        return None if before is None else (*before, *(one.program_id for one in others))
    if tcx is None:
        return None
    ours = next((n for n, number in enumerate(tcx) if number in hook.program_ids), 0)
    return tcx[:ours] if is_ingress else tcx[ours + 1 :]
