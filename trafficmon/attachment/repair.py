# SPDX-License-Identifier: MIT
"""Hooks of an interface that were taken away are put back; the others count meanwhile.

Programs of others stay where they are. Where one has our XDP program's place the interface is
attached anew instead: tc counts then what XDP did.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trafficmon.attachment import hookrecords, tc, xdp
from trafficmon.attachment.replace import programs_like, swap
from trafficmon.attachment.store import Store
from trafficmon.errors import TrafficmonError
from trafficmon.host.interfaces import Interface
from trafficmon.layout import AttachMode
from trafficmon.libbpf.info import program_by_id
from trafficmon.libbpf.info import xdp_program as xdp_program_on
from trafficmon.libbpf.link import Link, link_by_id
from trafficmon.libbpf.object import Program
from trafficmon.model.verdicts import Condition, Verdict
from trafficmon.records import hook_numbers


def repair_interface(
    store: Store, interface: Interface, slot: int, broken: dict[str, Verdict]
) -> bool:
    """Put the ``broken`` hooks back; False where they have to be attached anew, all of them."""
    record = store.interface(slot)
    if "xdp" in broken and not _has_room_for_xdp(store, interface, slot, record):
        return False
    lost = [kind for kind, verdict in broken.items() if verdict.condition != Condition.UNPINNED]
    for kind in broken:
        if kind not in lost:
            program_id, link_id = hook_numbers(record, kind)
            pin_again(store.pins.program(kind, slot), program_id, Program)
            if link_id:
                pin_again(store.pins.link(kind, slot), link_id, Link)
    for kind, program in programs_like(store, interface, slot, record, lost):
        _put_back(store, interface, slot, record, kind, program)
    return True


def put_back_note(broken: dict[str, Verdict]) -> str:
    """For the user, of hooks that were repaired: by what they were lost first."""
    kinds: dict[str, list[str]] = {}
    for kind, verdict in broken.items():
        kinds.setdefault(verdict.reason, []).append(kind)
    lost = "; ".join(f"{', '.join(of)}: {reason}" for reason, of in kinds.items())
    counted = all(verdict.condition == Condition.UNPINNED for verdict in broken.values())
    end = "" if counted else ", what passed meanwhile was not counted"
    return f"put back ({lost}): counters continue{end}"


def pin_again(path: Path, number: int, kind: type[Program | Link]) -> None:
    """Pin a program or link that still runs, by its ``number``, where its pin was removed."""
    if path.exists():
        return
    held = program_by_id(number) if kind is Program else link_by_id(number)
    if held is None:
        raise TrafficmonError(
            f"cannot pin {path} again: what it held has ended; run the same command again"
        )
    with held:
        held.pin(str(path))


def is_our_link(path: Path, link_id: int) -> bool:
    """Whether the link that was noted is pinned there; an error where one of others is."""
    if not path.exists():
        return False
    with Link.from_pin(str(path)) as link:
        if link.facts().id == link_id:
            return True
    raise TrafficmonError(
        f"{path} is a link that trafficmon did not make; remove it (rm {path}), then attach again"
    )


def _has_room_for_xdp(store: Store, interface: Interface, slot: int, record: Any) -> bool:
    """Whether the interface carries no XDP program, or one on our link."""
    is_free = xdp_program_on(interface.ifindex) is None
    return is_free or _is_attached(store, slot, "xdp", record)


def _is_attached(store: Store, slot: int, kind: str, record: Any) -> bool:
    """Whether our link is at the interface, whatever program it runs."""
    path, (_, link_id) = store.pins.link(kind, slot), hook_numbers(record, kind)
    if not is_our_link(path, link_id):
        return False
    with Link.from_pin(str(path)) as link:
        return link.facts().ifindex != 0


def _put_back(
    store: Store, interface: Interface, slot: int, record: Any, kind: str, program: Program
) -> None:
    is_filter = kind != "xdp" and record["tc_mode"] == AttachMode.CLSACT
    if not is_filter and _is_attached(store, slot, kind, record):  # and runs another program
        swap(store, slot, record, kind, program)
        return
    pin = store.pins.program(kind, slot)
    for path in (store.pins.link(kind, slot), pin, store.pins.next_program(kind, slot)):
        path.unlink(missing_ok=True)
    program.pin(str(pin))
    if is_filter:
        tc.put_back(store, interface, slot, record, kind, program)
        return
    with _new_link(record, interface, kind, program) as link:
        link.pin(str(store.pins.link(kind, slot)))
        hookrecords.note(record, kind, program, link)
    store.set_interface(slot, record)


def _new_link(record: Any, interface: Interface, kind: str, program: Program) -> Link:
    if kind == "xdp":
        return xdp.put_back(record, interface, program)
    return tc.put_link_back(interface, kind, program)
