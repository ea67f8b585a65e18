# SPDX-License-Identifier: MIT
"""One interface in and out: all of its hooks, or none."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from trafficmon.attachment import slots, tc, xdp
from trafficmon.attachment.identity import unpin
from trafficmon.attachment.request import Request
from trafficmon.attachment.store import Store
from trafficmon.errors import TrafficmonError, UsageError
from trafficmon.hook_registry import INTERFACE_KINDS
from trafficmon.hooks.check import check_interface
from trafficmon.host import netns
from trafficmon.host.interfaces import Interface
from trafficmon.layout import INTERFACE, AttachMode, InterfaceState
from trafficmon.model.verdicts import Verdict
from trafficmon.records import hook_numbers, mode_name, set_text, text_of


@dataclass(frozen=True)
class Attached:
    """What attach did at one interface, for the user."""

    name: str
    xdp_mode: str
    tc_mode: str
    reason: str  # why XDP is as it is
    note: str  # what was special: already attached, come back, taken over
    dns: bool = False  # whether its DNS messages are copied


def is_alive(store: Store, slot: int) -> bool:
    """Whether the record of ``slot`` is true: its interface is there, and so are its hooks."""
    record = store.interface(slot)
    return record["state"] == InterfaceState.ATTACHED and not broken_hooks(store, slot)


def broken_hooks(store: Store, slot: int) -> dict[str, Verdict]:
    """Of an attached interface's hooks those that are to be repaired, by kind."""
    found = check_interface(store.pins, store.meta(), slot, store.interface(slot))
    return {kind: verdict for kind, verdict in found.hooks.items() if verdict.is_wrong}


def attach(
    store: Store, interface: Interface, slot: int, request: Request, *, covered: bool
) -> Attached:
    """Attach all requested layers; a failure takes back what was done before it."""
    before = store.interface(slot)
    with ExitStack() as undo:
        remove(store, slot)
        undo.callback(take_back, store, slot, before)
        if not slots.belongs_to(before, interface):
            slots.vacate(store, slot)
        record = _begin(store, interface, slot, _dns_of(interface, request), covered=covered)
        with_tc = "tc" in request.layers
        outcome = xdp.XdpOutcome(AttachMode.OFF, "layer xdp was not requested")
        if "xdp" in request.layers:
            modes = request.xdp_modes
            outcome = xdp.attach(store, interface, slot, record, modes, alone=not with_tc)
        set_text(record, "reason", outcome.reason)
        if with_tc:
            receive = not outcome.counts_flows
            tc.attach(store, interface, slot, record, option=request.tc_mode, receive=receive)
        elif outcome.mode == AttachMode.OFF:
            raise UsageError(
                f"nothing would count on {interface.name}: XDP is off ({outcome.reason}) and "
                "--layer leaves tc out; add tc to --layer, or use --xdp native or generic"
            )
        record["state"] = InterfaceState.ATTACHED
        store.set_interface(slot, record)
        undo.pop_all()
    notes = []
    if before["state"] == InterfaceState.ATTACHED:
        notes.append("back again: its counters continue")
    if record["tc_priority"] > 1:
        notes.append("filters of others come first: what they settle is not counted")
    return describe(record, "; ".join(notes))


def attach_again(store: Store, interface: Interface, slot: int, before: Any) -> None:
    """As the record ``before`` says it was, when a change could not be made."""
    modes = describe(before)
    layers = ("xdp",) * (modes.xdp_mode != "off") + ("tc",) * (modes.tc_mode != "off")
    layers += ("dns",) * modes.dns
    tc_mode = "auto" if modes.tc_mode == "off" else modes.tc_mode
    request = Request((), (modes.xdp_mode,), layers, tc_mode=tc_mode)
    attach(store, interface, slot, request, covered=bool(before["excluded_from_totals"]))
    record = store.interface(slot)
    record["reason"] = before["reason"]
    store.set_interface(slot, record)


def _dns_of(interface: Interface, request: Request) -> int:
    """Which ways DNS messages are copied (events/dns.bpf.h): of loopback only as they go out."""
    if "dns" not in request.layers:
        return 0
    return 2 if interface.is_loopback else 3


def _begin(store: Store, interface: Interface, slot: int, dns: int, *, covered: bool) -> Any:
    record = np.zeros(1, INTERFACE)[0]
    set_text(record, "name", interface.name)
    record["ifindex"] = interface.ifindex
    record["link_header_bytes"] = interface.link_header_bytes
    record["attached_at_ns"] = time.time_ns()
    record["state"] = InterfaceState.ATTACHING
    record["dns"] = dns
    record["excluded_from_totals"] = covered
    before = store.interface(slot)
    is_its_own = slots.belongs_to(before, interface)
    record["base"] = before["base"]
    record["number"] = before["number"] if is_its_own else slots.new_number(store, interface.name)
    store.set_interface(slot, record)
    return record


def take_back(store: Store, slot: int, before: Any) -> None:
    """After a failure: nothing is attached here, and what was counted stays readable.

    A slot that was free is so again, unless something was counted in it.
    """
    remove(store, slot)
    if before["state"] == InterfaceState.FREE and not slots.has_counted(store, slot):
        slots.vacate(store, slot)


def remove(store: Store, slot: int) -> None:
    """Take all hooks of ``slot`` off; its counters stay. Harmless where there is nothing."""
    record = store.interface(slot)
    if record["state"] == InterfaceState.FREE:
        return
    if record["tc_mode"] == AttachMode.CLSACT and _filters_are_here(store):
        tc.remove_captures(int(record["ifindex"]))
        tc.remove_filters(store.pins, slot, record, qdisc=True)
    for kind in INTERFACE_KINDS:
        _, link_id = hook_numbers(record, kind)
        unpin(store.pins, store.pins.link(kind, slot), link_id)
    for kind in INTERFACE_KINDS:
        unpin(store.pins, store.pins.program(kind, slot))
        unpin(store.pins, store.pins.next_program(kind, slot))
    record["state"] = InterfaceState.DETACHED
    record["xdp_mode"] = record["tc_mode"] = AttachMode.OFF
    store.set_interface(slot, record)


def _filters_are_here(store: Store) -> bool:
    """False when they went with their network namespace; an error when they are in another."""
    if store.is_of_this_namespace():
        return True
    meta = store.meta()
    place = netns.path_of(int(meta["netns_inode"]), int(meta["netns_cookie"]))
    if place is None:
        return False
    raise TrafficmonError(
        "this was attached in another network namespace, and its clsact filters can be removed "
        f"only there: nsenter --net={place} trafficmon detach --pin-dir {store.pins.root}"
    )


def describe(record: Any, note: str = "") -> Attached:
    """A record in words."""
    return Attached(
        text_of(record["name"]),
        mode_name(record["xdp_mode"]),
        mode_name(record["tc_mode"]),
        text_of(record["reason"]),
        note,
        bool(record["dns"]),
    )
