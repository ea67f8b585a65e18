# SPDX-License-Identifier: MIT
"""Taking everything out again, also what a killed attach or detach left half-done."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from trafficmon.attachment import interface as one_interface
from trafficmon.attachment.stacking import note_covered
from trafficmon.attachment.store import Store
from trafficmon.errors import LayoutError, TrafficmonError, UsageError
from trafficmon.host import bpffs, capabilities
from trafficmon.host.lock import exclusive
from trafficmon.layout import State
from trafficmon.pins import PinDirectory
from trafficmon.records import text_of


@dataclass
class Detached:
    """What was taken out."""

    interfaces: list[str] = field(default_factory=list)
    foreign: list[Path] = field(default_factory=list)  # left where it is
    anything: bool = False


def detach(pins: PinDirectory, names: list[str]) -> Detached:
    """Remove what attach made: of the named interfaces, or all of it. Harmless when repeated."""
    if not pins.exists():
        return Detached()
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
    with exclusive(pins.root):
        return _some(pins, names) if names else remove_everything(pins)


def _some(pins: PinDirectory, names: list[str]) -> Detached:
    done = Detached()
    if not pins.is_complete():
        return remove_everything(pins)
    with Store.open(pins) as store:
        slots = {text_of(r["name"]): slot for slot, r in store.interfaces().items()}
        for name in names:
            if name not in slots:
                there = ", ".join(sorted(slots)) or "none"
                raise UsageError(f"nothing of trafficmon is on {name!r}; attached: {there}")
        for name in names:
            if store.interface(slots[name])["state"] != State.DETACHED:
                one_interface.remove(store, slots[name])
                done.interfaces.append(name)
                done.anything = True
        note_covered(store)
        left = any(r["state"] != State.DETACHED for r in store.interfaces().values())
    if not left:
        rest = remove_everything(pins)
        done.foreign, done.anything = rest.foreign, True
    return done


def remove_everything(pins: PinDirectory) -> Detached:
    """All of it, whatever state it is in; the caller holds the lock."""
    done = Detached()
    if pins.is_complete():
        _remove_hooks(pins, done)
    for pin in pins.ours():
        pin.unlink(missing_ok=True)
        done.anything = True
    done.foreign = pins.foreign()
    pins.remove_empty()
    return done


def _remove_hooks(pins: PinDirectory, done: Detached) -> None:
    """Interface by interface, by their records; another layout's go by their pins alone."""
    try:
        store = Store.open(pins)
    except (LayoutError, TrafficmonError):
        return
    with store:
        for slot, record in store.interfaces().items():
            if record["state"] != State.DETACHED:
                done.interfaces.append(text_of(record["name"]))
            one_interface.remove(store, slot)
