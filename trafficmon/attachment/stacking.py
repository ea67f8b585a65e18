# SPDX-License-Identifier: MIT
"""Interfaces that sit on others: a packet through a bond and its port passes both.

Each interface counts all it sees. Sums over interfaces leave out those whose packets also pass an
attached one below, so that no packet is counted twice. Tunnels are not among them: their inner
packets are packets of their own.
"""

from __future__ import annotations

from trafficmon.attachment.store import Store
from trafficmon.host.interfaces import Interface, all_interfaces
from trafficmon.layout import State

_SAME_PACKETS = {"vlan", "macvlan", "macvtap", "ipvlan", "ipvtap"}


def covered(interface: Interface, attached: list[Interface]) -> bool:
    """Whether what passes ``interface`` also passes one of ``attached`` below it."""
    if interface.kind in _SAME_PACKETS and interface.lower:
        return any(other.ifindex == interface.lower for other in attached)
    return any(other.master == interface.ifindex for other in attached)


def note_covered(store: Store) -> list[str]:
    """Bring the records up to date. Returns the names of those that sums leave out."""
    known = {interface.ifindex: interface for interface in all_interfaces().values()}
    slots = {
        slot: known[int(record["ifindex"])]
        for slot, record in store.interfaces().items()
        if record["state"] == State.ATTACHED and int(record["ifindex"]) in known
    }
    left_out = []
    for slot, interface in slots.items():
        record = store.interface(slot)
        record["covered"] = int(covered(interface, list(slots.values())))
        store.set_interface(slot, record)
        if record["covered"]:
            left_out.append(interface.name)
    return left_out
