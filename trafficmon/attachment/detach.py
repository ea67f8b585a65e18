# SPDX-License-Identifier: MIT
"""Taking everything out again, also what a killed attach or detach left half-done."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from trafficmon.attachment import interface as one_interface
from trafficmon.attachment import readers, tc
from trafficmon.attachment.identity import unpin
from trafficmon.attachment.slots import current_name
from trafficmon.attachment.stacking import finish_interrupted, settle
from trafficmon.attachment.store import Store
from trafficmon.dns.book import discard as discard_book
from trafficmon.errors import (
    BpfError,
    DamagedError,
    ForeignMapsError,
    LayoutError,
    TrafficmonError,
    UsageError,
)
from trafficmon.host import bpffs, capabilities, lock, signals
from trafficmon.layout import INTERFACE, AttachMode, InterfaceState
from trafficmon.libbpf.map import Map
from trafficmon.pins import PinDirectory
from trafficmon.records import record_of, slot_key, text_of


@dataclass
class Detached:
    """What was taken out."""

    interfaces: list[str] = field(default_factory=list)
    foreign: list[Path] = field(default_factory=list)  # left where it is
    notes: list[str] = field(default_factory=list)  # what may be attached and cannot be seen here
    anything: bool = False


def detach(pins: PinDirectory, names: list[str]) -> Detached:
    """Remove what attach made: of the named interfaces, or all of it. Harmless when repeated."""
    if not pins.exists():
        hidden = bpffs.hidden(pins.root)
        if not hidden:  # else its files are of what is hidden
            lock.discard(pins.root)
        return Detached(notes=hidden)
    capabilities.require(
        "detach",
        capabilities.CAP_BPF,
        capabilities.CAP_NET_ADMIN,
    )
    if not bpffs.is_on_bpffs(pins.root):
        raise TrafficmonError(
            f"{pins.root} is not in a BPF file system, so nothing of trafficmon is there; "
            "check --pin-dir"
        )
    bpffs.require_writable(pins.root)
    if pins.root.is_dir():  # else another's file, where there is nothing of ours
        pins.require_ours()
    with lock.exclusive(pins.root), signals.deferred():
        done = _some(pins, names) if names else remove_everything(pins)
    done.notes += bpffs.hidden(pins.root)
    return done


def _some(pins: PinDirectory, names: list[str]) -> Detached:
    done = Detached()
    if not pins.is_complete():
        return remove_everything(pins)
    with Store.open(pins) as store:
        slots = _slots_by_name(store)
        for name in names:
            if name not in slots:
                there = ", ".join(sorted(slots)) or "none"
                raise UsageError(f"nothing of trafficmon is on {name!r}; attached: {there}")
        leaving = {
            slots[name]: name
            for name in names
            if store.interface(slots[name])["state"] != InterfaceState.DETACHED
        }
        try:
            if store.is_of_this_namespace():
                finish_interrupted(store)
                settle(store, leaving=leaving)  # before: what is above them counts in their place
        finally:
            for slot, name in leaving.items():
                one_interface.remove(store, slot)
                done.interfaces.append(name)
                done.anything = True
        readers.publish(store, "interfaces")
        left = any(r["state"] != InterfaceState.DETACHED for r in store.interfaces().values())
    if not left:
        rest = remove_everything(pins)
        done.foreign, done.anything = rest.foreign, True
    return done


def _slots_by_name(store: Store) -> dict[str, int]:
    """Under the names they were attached by, and those they have now."""
    used = store.interfaces()
    by_state = sorted(used.items(), key=lambda one: one[1]["state"] != InterfaceState.DETACHED)
    slots = {text_of(record["name"]): slot for slot, record in by_state}  # attached ones win
    if store.is_of_this_namespace():
        for slot, record in by_state:
            if name := current_name(record):
                slots[name] = slot
    return slots


def remove_everything(pins: PinDirectory) -> Detached:
    """All of it, whatever state it is in; the caller holds the lock.

    ForeignMapsError when the maps are another program's: then nothing is touched.
    """
    done = Detached()
    if pins.is_complete():
        noted = _remove_hooks(pins, done)
    else:  # attach did not get as far, or meta was removed
        noted = ()
        done.interfaces += _remove_by_prefix(pins)
    for pin in pins.ours():
        done.anything |= unpin(pins, pin, *noted)
    discard_book(pins.root)
    lock.discard(pins.root, *lock.READERS)
    done.foreign = [*pins.ours(), *pins.foreign()]  # under a name of ours, too
    pins.remove_empty()
    return done


def _remove_hooks(pins: PinDirectory, done: Detached) -> tuple[int, ...]:
    """Interface by interface, by their records; another layout's links go by their pins.

    The ids of the links of the host, as they were noted.
    """
    try:
        store = Store.open(pins)
    except ForeignMapsError:
        raise
    except (DamagedError, BpfError):  # or another program's map is in its place
        done.interfaces += _remove_by_prefix(pins)
        return ()
    except LayoutError:
        _remove_by_prefix(pins)
        return ()
    with store:
        noted = tuple(int(number) for number in store.meta()["host_hooks"]["link_id"] if number)
        for slot, record in store.interfaces().items():
            if record["state"] != InterfaceState.DETACHED:
                done.interfaces.append(text_of(record["name"]))
            one_interface.remove(store, slot)
    return noted


def _remove_by_prefix(pins: PinDirectory) -> list[str]:
    """clsact filters, by what records of all versions begin with (wire.h). Names of interfaces.

    Links go by their pins; without the map it is not known where filters are.
    """
    names = []
    size = INTERFACE.itemsize
    with suppress(BpfError), Map.from_pin(str(pins.map("interfaces"))) as interfaces:
        for slot in range(interfaces.facts().max_entries):
            raw = (interfaces.lookup(slot_key(slot)) or b"")[:size]
            record = record_of(raw.ljust(size, b"\0"), INTERFACE)
            if record["state"] in (InterfaceState.ATTACHED, InterfaceState.ATTACHING):
                names.append(text_of(record["name"]))
            if record["tc_mode"] == AttachMode.CLSACT:
                tc.remove_filters(pins, slot, record, qdisc=True)
    return names
