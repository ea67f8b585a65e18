# SPDX-License-Identifier: MIT
"""Interfaces that sit on others: a packet through a bond and its port passes both.

Each interface counts all it sees. Sums over interfaces leave out those whose packets also pass an
attached one below, so that no packet is counted twice. Tunnels are not among them: their inner
packets are packets of their own, see doubles.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from trafficmon.attachment import interface as one_interface
from trafficmon.attachment import slots
from trafficmon.attachment.replace import replace_programs
from trafficmon.attachment.store import Store
from trafficmon.host.interfaces import Interface, all_interfaces
from trafficmon.layout import InterfaceState

_SAME_PACKETS = {"vlan", "macvlan", "macvtap", "ipvlan", "ipvtap"}


def covered(
    interface: Interface, attached: Sequence[Interface], known: Sequence[Interface] = ()
) -> bool:
    """Whether what passes ``interface`` also passes one of ``attached`` below it.

    ``known``: all interfaces; there may be some in between that are not attached.
    """
    passed = below(interface, known or attached)
    return any(other.ifindex in passed for other in attached)


def below(interface: Interface, known: Sequence[Interface]) -> set[int]:
    """ifindexes of all that the packets of ``interface`` pass as they are, below it."""
    by_index = {one.ifindex: one for one in known}
    passed: set[int] = set()
    waiting = _directly_below(interface, known)
    while waiting:
        number = waiting.pop()
        if number not in passed:
            passed.add(number)
            if number in by_index:
                waiting |= _directly_below(by_index[number], known)
    return passed - {interface.ifindex}


def _directly_below(interface: Interface, known: Sequence[Interface]) -> set[int]:
    if interface.kind in _SAME_PACKETS and interface.lower:
        return {interface.lower}
    return {other.ifindex for other in known if other.master == interface.ifindex}


def with_those_attached(
    store: Store, requested: Iterable[Interface], known: Iterable[Interface]
) -> list[Interface]:
    """Those of ``known`` that are attached, and ``requested``."""
    attached = attached_of(store, known)
    together = {interface.ifindex: interface for interface in attached.values()}
    together |= {interface.ifindex: interface for interface in requested}
    return list(together.values())


def finish_interrupted(store: Store) -> None:
    """Takes off what an attach that was killed has left; the caller holds the lock."""
    for slot, record in store.interfaces().items():
        if record["state"] == InterfaceState.ATTACHING:
            one_interface.remove(store, slot)
            if not slots.has_counted(store, slot):
                slots.vacate(store, slot)


def settle(store: Store, *, leaving: Collection[int] = ()) -> list[str]:
    """Who is covered, of those attached but the slots that are ``leaving``. Returns notes.

    What an interface has counted before that changes stays in the sums, or out of them: it has a
    row of counters for each, and its programs are exchanged for ones that count in the other row.
    """
    known = list(all_interfaces().values())
    attached = {s: one for s, one in attached_of(store, known).items() if s not in leaving}
    notes = []
    for slot, interface in attached.items():
        is_covered = covered(interface, list(attached.values()), known)
        if is_covered:
            notes.append(
                f"{interface.name} sits on another attached interface: it has its own counters, "
                "and sums over interfaces leave it out"
            )
        record = store.interface(slot)
        if bool(record["excluded_from_totals"]) == is_covered and not record["exchanging"]:
            continue
        _exchange(store, interface, slot, is_covered=is_covered)
        if is_covered and slots.has_counted(store, slot):
            notes.append(
                f"{interface.name} was in the sums until now: what passed in that moment is in "
                "them twice"
            )
    return notes


def attached_of(store: Store, known: Iterable[Interface]) -> dict[int, Interface]:
    """Those of ``known`` that are attached, by slot."""
    by_index = {interface.ifindex: interface for interface in known}
    return {
        slot: by_index[int(record["ifindex"])]
        for slot, record in store.interfaces().items()
        if record["state"] == InterfaceState.ATTACHED and int(record["ifindex"]) in by_index
    }


def _exchange(store: Store, interface: Interface, slot: int, *, is_covered: bool) -> None:
    """Other programs on the same hooks; after a kill in the midst of it settle() does it again."""
    record = store.interface(slot)
    record["excluded_from_totals"], record["exchanging"] = is_covered, True
    store.set_interface(slot, record)
    if one_interface.is_alive(store, slot):
        replace_programs(store, interface, slot)
    else:  # its hooks were taken off
        one_interface.attach_again(store, interface, slot, record)
    record = store.interface(slot)
    record["exchanging"] = False
    store.set_interface(slot, record)
