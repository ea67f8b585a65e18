# SPDX-License-Identifier: MIT
"""Taking over a running attachment: new programs on the old links, counting into the old maps.

A link's program, and a filter's, is swapped atomically: every packet meets the old one or the new
one. Both add to counters of the same interface.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from trafficmon.attachment import hookrecords, tc
from trafficmon.attachment.programs import tc_programs, xdp_program
from trafficmon.attachment.store import Store
from trafficmon.hooks.facts import kinds_of
from trafficmon.host.interfaces import Interface
from trafficmon.layout import AttachMode
from trafficmon.libbpf.info import program_facts
from trafficmon.libbpf.link import Link
from trafficmon.libbpf.object import Program


def replace_programs(store: Store, interface: Interface, slot: int) -> None:
    """Swap all programs of an attached interface for freshly loaded ones, as its record says."""
    record = store.interface(slot)
    for kind, program in programs_like(store, interface, slot, record, kinds_of(record)):
        swap(store, slot, record, kind, program)


def programs_like(
    store: Store, interface: Interface, slot: int, record: Any, kinds: Collection[str]
) -> Iterator[tuple[str, Program]]:
    """Those of ``kinds``, as ``record`` says, loaded; one that was yielded goes with the next."""
    if at_tc := tuple(kind for kind in kinds if kind != "xdp"):
        generic = record["xdp_mode"] == AttachMode.XDP_GENERIC
        with tc_programs(store, interface, slot, at_tc, behind_generic_xdp=generic) as programs:
            yield from programs.items()
    if "xdp" in kinds:
        flows = record["xdp_mode"] != AttachMode.XDP_GENERIC or record["tc_mode"] == AttachMode.OFF
        with xdp_program(store, interface, slot, count_flows=flows) as program:
            yield "xdp", program


def swap(store: Store, slot: int, record: Any, kind: str, program: Program) -> None:
    """Have a hook run ``program``, without a gap.

    The new pin stands beside the old until the swap is done: either may be what is running.
    """
    path, fresh = store.pins.program(kind, slot), store.pins.next_program(kind, slot)
    if fresh.exists():
        _finish_swap(store, slot, record, kind)
    program.pin(str(fresh))
    if kind != "xdp" and record["tc_mode"] == AttachMode.CLSACT:
        tc.replace_filter(record, kind, program)
    else:
        with Link.from_pin(str(store.pins.link(kind, slot))) as link:
            link.update(program)
    fresh.replace(path)
    hookrecords.note_program(record, kind, program)
    store.set_interface(slot, record)


def _finish_swap(store: Store, slot: int, record: Any, kind: str) -> None:
    """After a kill in the midst of a swap: the pin that stays is of the program that runs."""
    path, fresh = store.pins.program(kind, slot), store.pins.next_program(kind, slot)
    if kind != "xdp" and record["tc_mode"] == AttachMode.CLSACT:
        running = tc.filter_program(record, kind)
    else:
        with Link.from_pin(str(store.pins.link(kind, slot))) as link:
            running = link.facts().program_id
    with Program.from_pin(str(fresh)) as program:
        has_begun = program_facts(program).id == running
    if has_begun:
        fresh.replace(path)
    else:
        fresh.unlink()
