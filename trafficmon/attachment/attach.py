# SPDX-License-Identifier: MIT
"""Attach: check, lock, make or open the maps, then interface by interface, all or nothing."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

from trafficmon.attachment import interface as one_interface
from trafficmon.attachment.detach import remove_everything
from trafficmon.attachment.interface import Attached
from trafficmon.attachment.replace import replace_programs
from trafficmon.attachment.request import DEFAULT_MAX_FLOWS, Request, usual_interfaces
from trafficmon.attachment.stacking import note_covered
from trafficmon.attachment.store import NO_GROUP, Geometry, Store
from trafficmon.errors import LayoutError, TrafficmonError, UnsupportedError
from trafficmon.host import bpffs, capabilities, netns
from trafficmon.host.interfaces import Interface, all_interfaces
from trafficmon.host.lock import exclusive
from trafficmon.layout import State
from trafficmon.libbpf import features
from trafficmon.libbpf.features import Helper, ProgramType
from trafficmon.pins import PinDirectory


@dataclass
class Report:
    """What an attach did."""

    interfaces: list[Attached] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def attach(pins: PinDirectory, request: Request) -> Report:
    """Attach ``request``; what fails half-way is rolled back before the error goes on."""
    capabilities.require(
        "attach", capabilities.CAP_BPF, capabilities.CAP_NET_ADMIN, capabilities.CAP_PERFMON
    )
    require_kernel()
    report = Report()
    with exclusive(pins.root):
        if bpffs.ensure(pins.root):
            report.notes.append(f"mounted a BPF file system on {bpffs.STANDARD_MOUNT}")
        _refuse_foreign(pins)
        wanted = _prepare(pins, request, report)
        with ExitStack() as undo:
            store = undo.enter_context(_open_or_create(pins, request, undo))
            for interface in wanted:
                report.interfaces.append(_one(store, interface, request, undo))
            for name in note_covered(store):
                report.notes.append(
                    f"{name} sits on another attached interface: it has its own counters, and sums "
                    "over interfaces leave it out"
                )
            _let_group_read(store)
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
    foreign = pins.foreign() if pins.exists() else []
    if foreign:
        raise TrafficmonError(
            f"{foreign[0]} is not trafficmon's; remove it, or choose another --pin-dir"
        )


def _prepare(pins: PinDirectory, request: Request, report: Report) -> tuple[Interface, ...]:
    """Clear away a half-finished attach, or another version that is to be replaced."""
    if not pins.is_complete():
        if pins.exists() and pins.ours():
            remove_everything(pins)
            report.notes.append("cleared away what an interrupted attach had left")
        return request.interfaces or usual_interfaces()
    try:
        with Store.open(pins) as store:
            _require_same_namespace(store)
            if request.replace:
                return _with_attached(store, request)
            return request.interfaces or usual_interfaces()
    except LayoutError:
        if not request.replace:
            raise
        remove_everything(pins)
        report.notes.append("the version before counted in another layout: counters restart")
        return request.interfaces or usual_interfaces()


def _require_same_namespace(store: Store) -> None:
    if int(store.meta()["netns_inode"]) != netns.inode():
        raise TrafficmonError(
            f"{store.pins.root} is in use from another network namespace; "
            "use another --pin-dir for this one"
        )


def _with_attached(store: Store, request: Request) -> tuple[Interface, ...]:
    """--replace takes over all interfaces that are attached, named or not."""
    known = all_interfaces()
    names = [interface.name for interface in request.interfaces]
    for record in store.interfaces().values():
        name = netns.name_of(int(record["ifindex"]))
        if record["state"] == State.ATTACHED and name in known and name not in names:
            names.append(name)
    return tuple(known[name] for name in names)


def _open_or_create(pins: PinDirectory, request: Request, undo: ExitStack) -> Store:
    if pins.is_complete():
        return Store.open(pins)
    geometry = Geometry.choose(request.max_flows or DEFAULT_MAX_FLOWS, len(request.interfaces))
    undo.callback(remove_everything, pins)
    return Store.create(pins, geometry, request.group_id, request.cgroup)


def _one(store: Store, interface: Interface, request: Request, undo: ExitStack) -> Attached:
    slot = one_interface.slot_for(store, interface.name, interface.ifindex)
    record = store.interface(slot)
    same = record["state"] == State.ATTACHED and record["ifindex"] == interface.ifindex
    if same and one_interface.is_alive(store, slot):
        current = one_interface.describe(record)
        if not _wants_change(current, request):
            if not request.replace:
                return one_interface.describe(record, "was attached already")
            replace_programs(store, interface, slot)
            return one_interface.describe(record, "taken over, counters go on")
        if not request.replace:
            raise TrafficmonError(
                f"{interface.name} is attached with xdp {current.xdp_mode}, tc {current.tc_mode}; "
                "'attach --replace' changes that"
            )
    else:
        undo.callback(one_interface.remove, store, slot)
    return one_interface.attach(store, interface, slot, request)


def _wants_change(current: Attached, request: Request) -> bool:
    """Whether a mode was asked for by name that is not the one in force."""
    xdp = request.xdp_modes != ("auto",) and current.xdp_mode not in request.xdp_modes
    tc = request.tc_mode not in ("auto", current.tc_mode)
    return xdp or tc


def _let_group_read(store: Store) -> None:
    """Read permission on maps and programs for the readers' group; links stay root's."""
    group = int(store.meta()["group_id"])
    if group == NO_GROUP:
        return
    maps, _, progs = store.pins.parts
    for directory in (store.pins.root, maps, progs):
        os.chown(directory, -1, group)
        directory.chmod(0o750)
    for pin in (*maps.iterdir(), *progs.iterdir()):
        os.chown(pin, -1, group)
        pin.chmod(0o640 if pin.parent == maps else 0o440)
    with suppress(OSError):  # systemd mounts it 0700: let others pass through, not list
        mode = bpffs.STANDARD_MOUNT.stat().st_mode
        if bpffs.STANDARD_MOUNT in store.pins.root.parents and not mode & 0o001:
            bpffs.STANDARD_MOUNT.chmod((mode & 0o7777) | 0o001)
