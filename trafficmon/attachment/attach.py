# SPDX-License-Identifier: MIT
"""Attach: check, lock, make or open the maps, then interface by interface, all or nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TypeAlias

from trafficmon.attachment import doubles, slots
from trafficmon.attachment import interface as one_interface
from trafficmon.attachment.changes import as_it_was, wants_change, wants_other_dns
from trafficmon.attachment.detach import remove_everything
from trafficmon.attachment.host import layers
from trafficmon.attachment.host.layer import LayerOutcome
from trafficmon.attachment.interface import Attached
from trafficmon.attachment.memory import lack_explained
from trafficmon.attachment.prepare import prepare, refuse_foreign
from trafficmon.attachment.readers import let_group_read, publish
from trafficmon.attachment.repair import put_back_note, repair_interface
from trafficmon.attachment.replace import replace_programs
from trafficmon.attachment.request import (
    DEFAULT_MAX_FLOWS,
    Request,
)
from trafficmon.attachment.sidebyside import side_by_side
from trafficmon.attachment.stacking import covered, finish_interrupted, settle, with_those_attached
from trafficmon.attachment.store import Geometry, Store
from trafficmon.errors import (
    TrafficmonError,
    UnsupportedError,
)
from trafficmon.host import bpffs, capabilities, signals
from trafficmon.host.interfaces import Interface, all_interfaces
from trafficmon.host.lock import exclusive
from trafficmon.layout import NO_GROUP, InterfaceState
from trafficmon.libbpf import features
from trafficmon.pins import COPIED, PinDirectory
from trafficmon.uapi import Helper, ProgramType

Progress: TypeAlias = Callable[[int, int], None]


def _say_nothing(done: int, of: int) -> None:
    """Nobody watches."""


@dataclass
class Report:
    """What an attach did."""

    interfaces: list[Attached] = field(default_factory=list)
    layers: list[LayerOutcome] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def attach(pins: PinDirectory, request: Request, progress: Progress = _say_nothing) -> Report:
    """Attach ``request``; what fails half-way is rolled back before the error is raised.

    ``progress`` is called with how many interfaces are done, and of how many.
    """
    capabilities.require(
        "attach", capabilities.CAP_BPF, capabilities.CAP_NET_ADMIN, capabilities.CAP_PERFMON
    )
    require_kernel()
    report = Report()
    with exclusive(pins.root), signals.deferred() as stop_if_interrupted:
        report.notes += bpffs.ensure(pins.root)
        refuse_foreign(pins)
        requested = prepare(pins, request, report.notes)
        max_flows = request.max_flows or DEFAULT_MAX_FLOWS
        with lack_explained(max_flows), ExitStack() as undo:
            store = undo.enter_context(_open_or_create(pins, request, undo))
            undo.callback(publish, store, *COPIED)
            finish_interrupted(store)
            undo.callback(settle, store)
            known = list(all_interfaces().values())
            together = with_those_attached(store, requested, known)

            def one(interface: Interface) -> Attached:
                is_covered = covered(interface, together, known)
                return _one(store, interface, request, undo, is_covered=is_covered)

            with side_by_side(store.turn, one, requested) as running:
                for done in running:
                    report.interfaces.append(done)
                    progress(len(report.interfaces), len(requested))
                    stop_if_interrupted()
            report.notes += settle(store)
            report.notes += doubles.notes(together, known)
            report.layers = layers.attach(store, request, undo)
            report.notes += _let_group_read(store, request)
            stop_if_interrupted()
            undo.pop_all()
            store.close()
    return report


def require_kernel() -> None:
    """UnsupportedError when the kernel lacks what there is no way around."""
    if not features.has_btf():
        raise UnsupportedError("type information (CONFIG_DEBUG_INFO_BTF)", "5.2")
    if not features.has_helper(ProgramType.SCHED_CLS, Helper.JIFFIES64):
        raise UnsupportedError("bpf_jiffies64()", "5.5")


def _open_or_create(pins: PinDirectory, request: Request, undo: ExitStack) -> Store:
    if pins.is_complete():
        return Store.open(pins)
    geometry = Geometry.choose(request.max_flows or DEFAULT_MAX_FLOWS, len(request.interfaces))
    undo.callback(remove_everything, pins)
    return Store.create(pins, geometry, request.group_id)


def _one(
    store: Store, interface: Interface, request: Request, undo: ExitStack, *, is_covered: bool
) -> Attached:
    slot = slots.slot_for(store, interface)
    before = store.interface(slot)
    same = before["state"] == InterfaceState.ATTACHED and before["ifindex"] == interface.ifindex
    broken = one_interface.broken_hooks(store, slot) if same else {}
    if not same or (broken and not repair_interface(store, interface, slot, broken)):
        undo.callback(one_interface.take_back, store, slot, before)
        requested = as_it_was(before, request)
        return one_interface.attach(store, interface, slot, requested, covered=is_covered)
    before = store.interface(slot)
    current = dataclasses.replace(one_interface.describe(before), name=interface.name)
    if not wants_change(interface, current, request):
        note = put_back_note(broken) if broken else "was attached already"
        if request.replace:
            replace_programs(store, interface, slot)
            note = f"{note}; taken over" if broken else "taken over, counters continue"
        return dataclasses.replace(current, note=note)
    now = f"xdp {current.xdp_mode}, tc {current.tc_mode}"
    if wants_other_dns(current, request):
        now += ", dns copied" if current.dns else ", no dns"
    if not request.replace:
        raise TrafficmonError(
            f"{interface.name} is attached with {now}; 'attach --replace' changes that"
        )
    undo.callback(one_interface.attach_again, store, interface, slot, before)
    changed = one_interface.attach(store, interface, slot, request, covered=is_covered)
    note = f"changed from {now}: what passed in that moment was not counted"
    return dataclasses.replace(changed, note=note)


def _let_group_read(store: Store, request: Request) -> list[str]:
    """For the requested group, else for the one that reads already."""
    if request.group_id != NO_GROUP:
        store.set_group(request.group_id)
    group = int(store.meta()["group_id"])
    return [] if group == NO_GROUP else let_group_read(store, group)
