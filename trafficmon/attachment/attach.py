# SPDX-License-Identifier: MIT
"""Attach: check, lock, make or open the maps, then interface by interface, all or nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from trafficmon.attachment import doubles, slots
from trafficmon.attachment import interface as one_interface
from trafficmon.attachment.detach import remove_everything
from trafficmon.attachment.host import layers
from trafficmon.attachment.host.layer import LayerOutcome
from trafficmon.attachment.interface import Attached
from trafficmon.attachment.memory import lack_explained
from trafficmon.attachment.readers import let_group_read, publish
from trafficmon.attachment.repair import put_back_note, repair_interface
from trafficmon.attachment.replace import replace_programs
from trafficmon.attachment.request import (
    DEFAULT_MAX_FLOWS,
    WIRE_LAYERS,
    Request,
    usual_interfaces,
)
from trafficmon.attachment.sidebyside import side_by_side
from trafficmon.attachment.stacking import covered, finish_interrupted, settle, with_those_attached
from trafficmon.attachment.store import Geometry, Store
from trafficmon.attachment.xdp import is_worth_trying
from trafficmon.errors import (
    DamagedError,
    ForeignMapsError,
    LayoutError,
    TrafficmonError,
    UnsupportedError,
)
from trafficmon.host import bpffs, capabilities, netns, signals
from trafficmon.host.interfaces import Interface, all_interfaces
from trafficmon.host.lock import exclusive
from trafficmon.layout import NO_GROUP, InterfaceState
from trafficmon.libbpf import features
from trafficmon.pins import COPIED, PinDirectory
from trafficmon.records import text_of
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
        _refuse_foreign(pins)
        wanted = _prepare(pins, request, report)
        max_flows = request.max_flows or DEFAULT_MAX_FLOWS
        with lack_explained(max_flows), ExitStack() as undo:
            store = undo.enter_context(_open_or_create(pins, request, undo))
            undo.callback(publish, store, *COPIED)
            finish_interrupted(store)
            undo.callback(settle, store)
            known = list(all_interfaces().values())
            together = with_those_attached(store, wanted, known)

            def one(interface: Interface) -> Attached:
                is_covered = covered(interface, together, known)
                return _one(store, interface, request, undo, is_covered=is_covered)

            with side_by_side(store.turn, one, wanted) as running:
                for done in running:
                    report.interfaces.append(done)
                    progress(len(report.interfaces), len(wanted))
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


def _refuse_foreign(pins: PinDirectory) -> None:
    if not pins.exists():
        return
    if not pins.root.is_dir():
        raise TrafficmonError(f"{pins.root} is not a directory; choose another --pin-dir")
    pins.require_ours()
    if foreign := pins.foreign():
        raise TrafficmonError(
            f"{foreign[0]} is not trafficmon's; remove it, or choose another --pin-dir"
        )


def _usual(request: Request) -> tuple[Interface, ...]:
    """The interfaces that were named; else the default route's, if a layer needs one."""
    if request.interfaces or not set(request.layers) & set(WIRE_LAYERS):
        return request.interfaces
    return usual_interfaces()


def _prepare(pins: PinDirectory, request: Request, report: Report) -> tuple[Interface, ...]:
    """Clear away a half-finished attach, or another version that is to be replaced."""
    if not pins.is_complete():
        if pins.exists() and pins.ours():
            remove_everything(pins)
            report.notes.append("cleared away what an interrupted attach had left")
        return _usual(request)
    try:
        with Store.open(pins) as store:
            _require_same_namespace(store)
            _note_size(store, request, report)
            if request.replace:
                return _with_attached(store, request)
            return _usual(request)
    except ForeignMapsError:
        raise
    except LayoutError:
        if not request.replace:
            raise
        remove_everything(pins)
        report.notes.append("the version before counted in another layout: counters restart")
        return _usual(request)
    except DamagedError:
        if not request.replace:
            raise
        removed = remove_everything(pins)
        report.notes.append("what was attached was damaged: it is attached anew, counters restart")
        return _as_before(removed.interfaces, request)


def _as_before(names: list[str], request: Request) -> tuple[Interface, ...]:
    """The interfaces that were named, and those that were attached; else the default route's."""
    known = all_interfaces()
    more = [known[name] for name in names if name in known]
    return tuple(dict.fromkeys((*request.interfaces, *more))) or _usual(request)


def _require_same_namespace(store: Store) -> None:
    if store.is_of_this_namespace():
        return
    meta = store.meta()
    if netns.path_of(int(meta["netns_inode"]), int(meta["netns_cookie"])) is None:
        raise TrafficmonError(
            f"what is attached in {store.pins.root} was in a network namespace that was deleted; "
            "'trafficmon detach' clears it away, or use another --pin-dir"
        )
    raise TrafficmonError(
        f"{store.pins.root} is in use from another network namespace; use another --pin-dir "
        "for this one, or 'trafficmon detach' to end what was attached there"
    )


def _note_size(store: Store, request: Request, report: Report) -> None:
    size = store.geometry().max_flows
    if request.max_flows not in (None, size):
        report.notes.append(
            f"the flow table keeps its size, {size}; 'trafficmon detach' first to have another"
        )


def _with_attached(store: Store, request: Request) -> tuple[Interface, ...]:
    """--replace takes over all interfaces that are attached, named or not."""
    known = all_interfaces()
    names = [interface.name for interface in request.interfaces]
    attached = [r for r in store.interfaces().values() if r["state"] == InterfaceState.ATTACHED]
    today = [(netns.name_of(int(record["ifindex"])), record) for record in attached]
    for name, record in sorted(today, key=lambda one: one[0] is None):
        back = name or text_of(record["name"])  # another interface with the name of a removed one
        if back in known and back not in names:
            names.append(back)
    return tuple(known[name] for name in names)


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
        wanted = _as_it_was(before, request)
        return one_interface.attach(store, interface, slot, wanted, covered=is_covered)
    before = store.interface(slot)
    current = dataclasses.replace(one_interface.describe(before), name=interface.name)
    if not _wants_change(interface, current, request):
        note = put_back_note(broken) if broken else "was attached already"
        if request.replace:
            replace_programs(store, interface, slot)
            note = f"{note}; taken over" if broken else "taken over, counters continue"
        return dataclasses.replace(current, note=note)
    now = f"xdp {current.xdp_mode}, tc {current.tc_mode}"
    if _wants_other_dns(current, request):
        now += ", dns copied" if current.dns else ", no dns"
    if not request.replace:
        raise TrafficmonError(
            f"{interface.name} is attached with {now}; 'attach --replace' changes that"
        )
    undo.callback(one_interface.attach_again, store, interface, slot, before)
    changed = one_interface.attach(store, interface, slot, request, covered=is_covered)
    note = f"changed from {now}: what passed in that moment was not counted"
    return dataclasses.replace(changed, note=note)


def _as_it_was(before: Any, request: Request) -> Request:
    """What is attached and was lost comes back in its modes, unless the request names others."""
    if before["state"] != InterfaceState.ATTACHED:
        return request
    known = one_interface.describe(before)
    xdp_modes, tc_mode, layers = request.xdp_modes, request.tc_mode, request.layers
    if xdp_modes == ("auto",) and known.xdp_mode != "off":
        xdp_modes = (known.xdp_mode,)
    if tc_mode == "auto" and known.tc_mode == "clsact":
        tc_mode = known.tc_mode
    if not request.layers_named and not known.dns:
        layers = tuple(layer for layer in layers if layer != "dns")
    return dataclasses.replace(request, xdp_modes=xdp_modes, tc_mode=tc_mode, layers=layers)


def _wants_change(interface: Interface, current: Attached, request: Request) -> bool:
    """Whether the request names something that is not in force, and could be."""
    return (
        _wants_other_xdp(interface, current, request)
        or _wants_other_tc(current, request)
        or _wants_other_dns(current, request)
    )


def _wants_other_dns(current: Attached, request: Request) -> bool:
    return request.layers_named and current.dns != ("dns" in request.layers)


def _wants_other_xdp(interface: Interface, current: Attached, request: Request) -> bool:
    if "xdp" not in request.layers:
        return current.xdp_mode != "off"
    if request.xdp_modes == ("auto",) or current.xdp_mode in request.xdp_modes:
        return False
    if current.xdp_mode != "off":
        return True
    return is_worth_trying(interface, request.xdp_modes, current.reason)


def _wants_other_tc(current: Attached, request: Request) -> bool:
    if "tc" not in request.layers:
        return current.tc_mode != "off"
    return request.tc_mode not in ("auto", current.tc_mode)


def _let_group_read(store: Store, request: Request) -> list[str]:
    """For the requested group, else for the one that reads already."""
    if request.group_id != NO_GROUP:
        store.set_group(request.group_id)
    group = int(store.meta()["group_id"])
    return [] if group == NO_GROUP else let_group_read(store, group)
