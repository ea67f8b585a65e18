# SPDX-License-Identifier: MIT
"""tc on an interface: tcx links, or, before Linux 6.6, filters on a clsact qdisc.

A filter is no link: nothing takes it away but a request. So the interface's record says what is
about to be made before it is made, and the program is pinned first, which is how removal knows that
a filter is ours.
"""

from __future__ import annotations

import errno
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from trafficmon.attachment import hookrecords
from trafficmon.attachment.programs import tc_programs
from trafficmon.attachment.store import Store
from trafficmon.errors import BpfError, TrafficmonError, UnsupportedError
from trafficmon.hook_registry import INTERFACE_HOOKS
from trafficmon.hooks.facts import TC_POINTS
from trafficmon.host.interfaces import Interface, clsact_filters, has_clsact
from trafficmon.layout import AttachMode
from trafficmon.libbpf import clsact
from trafficmon.libbpf.clsact import ATTACH_POINTS, Filter
from trafficmon.libbpf.info import program_by_id, program_facts
from trafficmon.libbpf.link import Link, attach_tcx
from trafficmon.libbpf.object import Program
from trafficmon.pins import PinDirectory
from trafficmon.records import hook_numbers
from trafficmon.uapi import AttachType

_HANDLES = {"tc_rx": "tc_rx_handle", "tc_tx": "tc_tx_handle"}
_PRIORITIES = range(1, 9)  # the first that no other kind of filter has
_CAPTURE_PRIORITIES = range(11, 19)
_CAPTURE_HANDLE = 0x746D6361
_TAKEN = (errno.EEXIST, errno.EINVAL)


def attach(
    store: Store,
    interface: Interface,
    slot: int,
    record: Any,
    *,
    option: str,
    receive: bool,
) -> None:
    """Attach egress, and ingress too if ``receive``; notes the mode in ``record``.

    The caller removes what a failure leaves, as after a kill: by record and pins.
    """
    kinds = ("tc_rx", "tc_tx") if receive else ("tc_tx",)
    generic = record["xdp_mode"] == AttachMode.XDP_GENERIC
    with tc_programs(store, interface, slot, kinds, behind_generic_xdp=generic) as programs:
        for kind, program in programs.items():
            program.pin(str(store.pins.program(kind, slot)))
        record["tc_rx"] = int(receive)
        if option == "clsact" or not _attach_tcx(store, interface, slot, record, programs, option):
            _attach_clsact(store, interface, slot, record, programs)
        else:
            record["tc_mode"] = AttachMode.TCX


def _attach_tcx(
    store: Store,
    interface: Interface,
    slot: int,
    record: Any,
    programs: dict[str, Program],
    option: str,
) -> bool:
    """False where the kernel does not know tcx."""
    for kind, program in programs.items():
        try:
            link = attach_tcx(program, interface.ifindex, INTERFACE_HOOKS[kind].attach_type)
        except BpfError as error:
            if error.errno != errno.EINVAL:
                raise
            if option == "tcx":
                raise UnsupportedError("tcx", "6.6", "use --tc clsact") from error
            return False
        with link:
            link.pin(str(store.pins.link(kind, slot)))
            hookrecords.note(record, kind, program, link)
    return True


def _attach_clsact(
    store: Store, interface: Interface, slot: int, record: Any, programs: dict[str, Program]
) -> None:
    record["tc_mode"] = AttachMode.CLSACT
    record["clsact_made"] = int(not has_clsact(interface.ifindex))
    handle = zlib.crc32(str(store.pins.root).encode()) & 0x7FFFFFFF | 1  # one per pin directory
    for field in _HANDLES.values():
        record[field] = handle
    for kind, program in programs.items():
        hookrecords.note(record, kind, program)
    _make_qdisc(interface, store, slot, record)
    last: BpfError | None = None
    for priority in _PRIORITIES:
        record["tc_priority"] = priority
        store.set_interface(slot, record)
        try:
            for kind, program in programs.items():
                clsact.add_filter(_place(record, kind), program)
        except BpfError as error:
            last = error
            remove_filters(store.pins, slot, record, qdisc=False)
            if error.errno not in _TAKEN:
                break
        else:
            return
    raise last or TrafficmonError(f"{interface.name} has no room for a tc filter")


@contextmanager
def capture_filter(program: Program, ifindex: int, where: AttachType) -> Iterator[None]:
    """A capture's program on a filter, until it has ended; two captures have two priorities."""
    made = not has_clsact(ifindex) and clsact.make_qdisc(ifindex)
    place = _free_place(ifindex, where)
    clsact.add_filter(place, program)
    try:
        yield
    finally:
        clsact.remove_filter(place)
        if made and not clsact_filters(ifindex):
            clsact.remove_qdisc(ifindex)


def _free_place(ifindex: int, where: AttachType) -> Filter:
    point = ATTACH_POINTS[where]
    places = [Filter(ifindex, point, _CAPTURE_HANDLE, n) for n in _CAPTURE_PRIORITIES]
    for place in places:
        if clsact.filter_program(place) is None:
            return place
    raise TrafficmonError(f"{len(places)} captures are at work on this interface; end one of them")


def remove_captures(ifindex: int) -> None:
    """Filters of captures that were killed; their programs are recognized by name."""
    for point in TC_POINTS.values():
        for priority in _CAPTURE_PRIORITIES:
            place = Filter(ifindex, point, _CAPTURE_HANDLE, priority)
            if (number := clsact.filter_program(place)) is None:
                continue
            if (program := program_by_id(number)) is not None:
                with program:
                    if program_facts(program).name.startswith("tm_capture"):
                        clsact.remove_filter(place)


def _make_qdisc(interface: Interface, store: Store, slot: int, record: Any) -> None:
    store.set_interface(slot, record)  # before there is a qdisc that it describes
    clsact.make_qdisc(interface.ifindex)
    if not has_clsact(interface.ifindex):  # then filters of both sides would hang on ingress
        raise TrafficmonError(
            f"{interface.name} has an ingress qdisc, and clsact would take its place; remove it "
            f"(tc qdisc del dev {interface.name} ingress), or, from Linux 6.6, use --tc tcx"
        )


def _place(record: Any, kind: str) -> Filter:
    return Filter(
        int(record["ifindex"]),
        TC_POINTS[kind],
        int(record[_HANDLES[kind]]),
        int(record["tc_priority"]),
    )


def _our_program_ids(pins: PinDirectory, kind: str, slot: int, record: Any) -> set[int]:
    """The one that is noted, and, while --replace is at it, those that are pinned."""
    ids = {hook_numbers(record, kind)[0]}
    for path in (pins.program(kind, slot), pins.next_program(kind, slot)):
        if path.exists():
            with Program.from_pin(str(path)) as program:
                ids.add(program_facts(program).id)
    return ids


def filter_program(record: Any, kind: str) -> int | None:
    """The id of the program on the filter that ``record`` describes; None where there is none."""
    return clsact.filter_program(_place(record, kind))


def remove_filters(pins: PinDirectory, slot: int, record: Any, *, qdisc: bool) -> None:
    """Take our clsact filters off the interface in ``slot``, and the qdisc if it is ours."""
    for kind in TC_POINTS:
        if filter_program(record, kind) in _our_program_ids(pins, kind, slot, record):
            clsact.remove_filter(_place(record, kind))
    ifindex = int(record["ifindex"])
    if qdisc and record["clsact_made"] and has_clsact(ifindex) and not clsact_filters(ifindex):
        clsact.remove_qdisc(ifindex)


def put_link_back(interface: Interface, kind: str, program: Program) -> Link:
    """A tcx link in the place of a removed one."""
    return attach_tcx(program, interface.ifindex, INTERFACE_HOOKS[kind].attach_type)


def put_back(
    store: Store, interface: Interface, slot: int, record: Any, kind: str, program: Program
) -> None:
    """A filter that was taken away; beside the foreign one that is in its place now."""
    while clsact.filter_program(_place(record, kind)) is not None:
        record[_HANDLES[kind]] += 1
    record["clsact_made"] |= int(not has_clsact(interface.ifindex))
    hookrecords.note(record, kind, program)
    _make_qdisc(interface, store, slot, record)
    clsact.add_filter(_place(record, kind), program)


def replace_filter(record: Any, kind: str, program: Program) -> None:
    """Put ``program`` in the place of the one that the filter runs, atomically."""
    clsact.add_filter(_place(record, kind), program, replace=True)
