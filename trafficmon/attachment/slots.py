# SPDX-License-Identifier: MIT
"""Which slot an interface gets, and how the slot of one that is gone is given to the next.

Counters are never set back: what a slot holds when it is given away becomes the base of its next
interface (see reader/interfaces.py). One write of the record does it, so a reader finds the slot
with the one or with the other, and sums over interfaces do not notice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from trafficmon.attachment.store import Store
from trafficmon.errors import TrafficmonError
from trafficmon.host import netns
from trafficmon.host.interfaces import Interface
from trafficmon.layout import (
    FLOW,
    FLOW_KEY,
    FLOW_SET,
    FLOW_SLOT,
    HOOK_COUNTERS,
    HOOKS,
    INTERFACE,
    INTERFACE_NAME,
    LAST_INTERFACE_NUMBER,
    InterfaceState,
)
from trafficmon.model.interfaces import BASE, BASE_FIELDS, interface_number, rows_of
from trafficmon.model.services import packets_by_kind
from trafficmon.reader.services import read_services
from trafficmon.records import set_text, slot_key, text_of

_MANY_NAMES = 1024  # from here on, each time that a quarter as many have been added ...
_NAMES_BETWEEN = 256  # ... names that no flow has any more are forgotten


def slot_for(store: Store, interface: Interface) -> int:
    """The slot of the interface: the one it has or had, under whatever name, else a free one."""
    used = store.interfaces()
    for slot, record in used.items():
        if record["ifindex"] == interface.ifindex and record["state"] == InterfaceState.ATTACHED:
            return slot
    for slot, record in used.items():
        its_own = (interface.name, None)
        if text_of(record["name"]) == interface.name and current_name(record) in its_own:
            return slot
    return free_slot(store, used)


def free_slot(store: Store, used: dict[int, Any]) -> int:
    """One that nothing uses: never used, or of an interface that is gone; the longest first.

    At last the slots of interfaces that are there and were detached: their rows go then.
    """
    for slot in range(store.geometry().max_interfaces):
        if slot not in used:
            return slot
    by_age = sorted(used, key=lambda slot: int(used[slot]["attached_at_ns"]))
    for may_go in (_is_gone, _is_detached):
        for slot in by_age:
            if may_go(used[slot]):
                return slot
    raise TrafficmonError(
        f"all {len(used)} places for interfaces are taken by interfaces that are attached; "
        "'trafficmon detach --iface …' makes room, or 'trafficmon detach', then attach all of "
        "them in one command"
    )


def _is_gone(record: Any) -> bool:
    if record["state"] == InterfaceState.ATTACHED:
        return current_name(record) is None
    return _is_detached(record) and netns.ifindex_of(text_of(record["name"])) is None


def _is_detached(record: Any) -> bool:
    return bool(record["state"] == InterfaceState.DETACHED)


def current_name(record: Any) -> str | None:
    """The interface's name, which may have changed since; None if an attached one was removed."""
    if record["state"] == InterfaceState.ATTACHED:
        return netns.name_of(int(record["ifindex"]))
    return text_of(record["name"])


def belongs_to(record: Any, interface: Interface) -> bool:
    """Whether the slot of ``record`` is this interface's already, and its counters continue."""
    if record["state"] == InterfaceState.FREE:
        return False
    is_there = record["state"] == InterfaceState.ATTACHED and record["ifindex"] == interface.ifindex
    return is_there or text_of(record["name"]) == interface.name


def vacate(store: Store, slot: int) -> None:
    """Nothing is attached in ``slot`` any more: what it has counted is in the sums alone now."""
    record = np.zeros(1, INTERFACE)[0]
    record["state"] = InterfaceState.FREE
    record["number"] = store.interface(slot)["number"]
    record["base"] = _counted(store, slot)
    store.set_interface(slot, record)


def has_counted(store: Store, slot: int) -> bool:
    """Whether anything was seen at the interface that has ``slot``."""
    hooks, before = _counted(store, slot)["hooks"], store.interface(slot)["base"]["hooks"]
    return bool(hooks.tobytes() != before.tobytes())


def _counted(store: Store, slot: int) -> Any:
    """All that was counted in ``slot``, as a base."""
    base = np.zeros(1, BASE)[0]
    if not store.interface(slot)["number"]:
        return base
    rows, cpus = rows_of(slot), store.geometry().cpus
    counters, cells = store.maps["hook_counters"], range(HOOKS * cpus)
    raw = [counters.lookup(slot_key(row * len(cells) + cell)) for row in rows for cell in cells]
    mine = np.frombuffer(b"".join(filter(None, raw)), HOOK_COUNTERS).reshape(len(rows), HOOKS, cpus)
    for name in BASE_FIELDS:
        base["hooks"][name] = mine[name].sum(axis=(0, 2), dtype=np.uint64)
    if base["hooks"].tobytes().strip(b"\0"):
        services = read_services(store.maps["services"], store.maps["service_cache"])
        base["packets_by_kind"] = packets_by_kind(services, rows_of(slot))
    return base


def new_number(store: Store, name: str) -> int:
    """A number that no flow has, noted under ``name``."""
    names = store.maps["interface_names"]
    known = set(_numbers(store))
    if len(known) >= _MANY_NAMES and len(known) % _NAMES_BETWEEN == 0:
        known = _forget_unused(store, known)
    number = max(known, default=0) + 1
    if number > LAST_INTERFACE_NUMBER:
        known = _forget_unused(store, known)
        free = (n for n in range(1, LAST_INTERFACE_NUMBER + 1) if n not in known)
        number = next(free, 0)
    if not number:
        raise TrafficmonError(
            f"flows of {LAST_INTERFACE_NUMBER} interfaces are kept, and no more can be told apart; "
            "'trafficmon detach', then attach again"
        )
    record = np.zeros(1, INTERFACE_NAME)[0]
    set_text(record, "name", name)
    names.update(slot_key(number), record.tobytes())
    return number


def _numbers(store: Store) -> Iterator[int]:
    numbers, _ = store.maps["interface_names"].read_all(np.dtype("u4"), INTERFACE_NAME)
    return (int(number) for number in numbers)


def _forget_unused(store: Store, known: set[int]) -> set[int]:
    """Those of ``known`` that an interface or a flow still has; the names of others are deleted.

    The cache is read before the table: without a program that counts for it, a flow leaves the
    cache for the table and never comes back.
    """
    used = {int(record["number"]) for record in store.interfaces().values()}
    cached = store.maps["flow_cache"].read_array(FLOW_SET).view(FLOW_SLOT)["key"]["interface_id"]
    keys, _ = store.maps["flows"].read_all(FLOW_KEY, FLOW)
    for ids in (cached, keys["interface_id"]):
        used |= set(np.unique(interface_number(ids)).tolist())
    for number in known - used:
        store.maps["interface_names"].delete(slot_key(number))
    return known & used
