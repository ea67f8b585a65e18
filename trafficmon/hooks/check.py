# SPDX-License-Identifier: MIT
"""The one check of all hooks: for `status`, the notes under tables, and what attach repairs."""

from __future__ import annotations

from typing import Any

from trafficmon.hooks.facts import HookFacts, Kernel, PlaceFacts, xdp_program_of
from trafficmon.hooks.facts import with_pinned_programs as with_pinned
from trafficmon.hooks.verdict import host_verdict, interface_verdict
from trafficmon.host.filters import ListedFilter
from trafficmon.layout import AttachMode
from trafficmon.model.verdicts import Condition, Findings, InterfaceFinding, Presence
from trafficmon.pins import PinDirectory
from trafficmon.records import text_of

_HANDLES = {"tc_rx": "tc_rx_handle", "tc_tx": "tc_tx_handle"}


def check_hooks(pins: PinDirectory, meta: Any, interfaces: dict[int, Any]) -> Findings:
    """``interfaces``: INTERFACE records of those that are attached, by slot."""
    with Kernel(pins, meta) as kernel:
        found = {slot: _interface(kernel, slot, record) for slot, record in interfaces.items()}
        cgroup = kernel.cgroup()
        host = {
            kind: host_verdict(kind, hook, watched, cgroup)
            for kind, hook, watched in kernel.host_hooks()
        }
    return Findings(found, host)


def check_interface(pins: PinDirectory, meta: Any, slot: int, record: Any) -> InterfaceFinding:
    """The same of one interface that is attached."""
    with Kernel(pins, meta) as kernel:
        return _interface(kernel, slot, record)


def _interface(kernel: Kernel, slot: int, record: Any) -> InterfaceFinding:
    place, verdicts = kernel.place(record), {}
    lives = False
    for kind, hook in kernel.interface_hooks(slot, record):
        noted = _noted_filter(record, kind)
        xdp = None
        if kind == "xdp" and place.name is not None and _needs_explaining(hook):
            xdp = xdp_program_of(int(record["ifindex"]))
        verdict = interface_verdict(kind, hook, place, noted=noted, xdp=xdp)
        if noted is not None and verdict.condition == Condition.REPLACED:
            verdict = interface_verdict(kind, with_pinned(hook), place, noted=noted, xdp=xdp)
        verdicts[kind] = verdict
        lives = lives or (hook.link is not None and hook.link.ifindex != 0)
    name = place.name or text_of(record["name"])
    presence = _presence(place, has_live_link=lives)
    return InterfaceFinding(slot, name, presence, place.back_as, verdicts)


def _needs_explaining(hook: HookFacts) -> bool:
    return hook.link is None or hook.link.ifindex == 0


def _noted_filter(record: Any, kind: str) -> ListedFilter | None:
    if kind not in _HANDLES or record["tc_mode"] != AttachMode.CLSACT:
        return None
    return ListedFilter(int(record["tc_priority"]), int(record[_HANDLES[kind]]), 0)


def _presence(place: PlaceFacts, *, has_live_link: bool) -> Presence:
    if not place.is_here:  # a namespace that only a descriptor holds is found nowhere
        is_there = place.has_namespace or has_live_link
        return Presence.ELSEWHERE if is_there else Presence.NAMESPACE_GONE
    if place.name is not None:
        return Presence.HERE
    return Presence.MOVED if has_live_link else Presence.GONE
