# SPDX-License-Identifier: MIT
"""Interfaces that sit on others: a packet through a bond and its port passes both.

Each interface counts all it sees. Sums over interfaces leave out those whose packets also pass an
attached one below, so that no packet is counted twice. Tunnels are not among them: their inner
packets are packets of their own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from trafficmon.attachment import interface as one_interface
from trafficmon.attachment.replace import move
from trafficmon.attachment.store import Store
from trafficmon.host.interfaces import Interface, all_interfaces
from trafficmon.layout import State
from trafficmon.records import text_of

_SAME_PACKETS = {"vlan", "macvlan", "macvtap", "ipvlan", "ipvtap"}


def covered(interface: Interface, attached: list[Interface]) -> bool:
    """Whether what passes ``interface`` also passes one of ``attached`` below it."""
    if interface.kind in _SAME_PACKETS and interface.lower:
        return any(other.ifindex == interface.lower for other in attached)
    return any(other.master == interface.ifindex for other in attached)


def with_those_attached(store: Store, wanted: Iterable[Interface]) -> list[Interface]:
    """Those that are attached, and ``wanted``."""
    together = {interface.ifindex: interface for interface in _attached(store).values()}
    together |= {interface.ifindex: interface for interface in wanted}
    return list(together.values())


def finish_moves(store: Store) -> None:
    """What was killed in the midst of settle() or of an attach; the caller holds the lock."""
    begun = set()
    for slot, record in store.interfaces().items():
        if record["state"] == State.ATTACHING:
            begun.add(int(record["ifindex"]))
            one_interface.remove(store, slot)
    for slot, interface in _attached(store).items():
        if interface.ifindex in begun:  # some of its hooks hung on the other slot
            one_interface.attach_again(store, interface, slot, store.interface(slot))
    for slot, interface in _attached(store).items():
        if not one_interface.is_alive(store, slot) and _has_moved(store, interface, slot):
            one_interface.remove(store, slot)


def _has_moved(store: Store, interface: Interface, slot: int) -> bool:
    """Whether another slot has its hooks, and only the word is missing that this one has not."""
    others = (n for n, one in _attached(store).items() if one == interface and n != slot)
    return any(one_interface.is_alive(store, other) for other in others)


def settle(store: Store, *, leaving: Collection[int] = ()) -> list[str]:
    """Who is covered, of those attached but the slots that are ``leaving``. Returns notes.

    An interface that was not covered when it counted and is now (or the other way round) gets
    another slot: what it has counted stays in the sums, what it will count is left out.
    """
    attached = {s: one for s, one in _attached(store).items() if s not in leaving}
    notes = []
    for slot, interface in attached.items():
        is_covered = covered(interface, list(attached.values()))
        if is_covered:
            notes.append(
                f"{interface.name} sits on another attached interface: it has its own counters, "
                "and sums over interfaces leave it out"
            )
        if bool(store.interface(slot)["covered"]) == is_covered:
            continue
        if _change(store, interface, slot, is_covered=is_covered) and is_covered:
            notes.append(
                f"{interface.name} was in the sums until now: what passed in that moment is in "
                "them twice"
            )
    return notes


def _attached(store: Store) -> dict[int, Interface]:
    known = {interface.ifindex: interface for interface in all_interfaces().values()}
    return {
        slot: known[int(record["ifindex"])]
        for slot, record in store.interfaces().items()
        if record["state"] == State.ATTACHED and int(record["ifindex"]) in known
    }


def _change(store: Store, interface: Interface, slot: int, *, is_covered: bool) -> bool:
    """Returns whether it had to move."""
    place = slot
    if store.has_counted(slot):
        place = _place(store, interface, is_covered=is_covered)
        if one_interface.is_alive(store, slot):
            move(store, interface, slot, place)
        else:  # somebody has taken its hooks off
            before = store.interface(slot)
            one_interface.remove(store, slot)
            one_interface.attach_again(store, interface, place, before)
    record = store.interface(place)
    record["covered"] = is_covered
    store.set_interface(place, record)
    return place != slot


def _place(store: Store, interface: Interface, *, is_covered: bool) -> int:
    """The slot that the interface has had when it was so before, or a free one."""
    for slot, record in store.interfaces().items():
        is_its = text_of(record["name"]) == interface.name and record["state"] == State.DETACHED
        if is_its and bool(record["covered"]) == is_covered:
            return slot
    return one_interface.free_slot(store)
