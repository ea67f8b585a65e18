# SPDX-License-Identifier: MIT
"""What attach finds in the pin directory: an attachment to extend, or remains to clear away."""

from __future__ import annotations

from trafficmon.attachment.detach import remove_everything
from trafficmon.attachment.request import WIRE_LAYERS, Request, usual_interfaces
from trafficmon.attachment.store import Store
from trafficmon.errors import DamagedError, ForeignMapsError, LayoutError, TrafficmonError
from trafficmon.host import netns
from trafficmon.host.interfaces import Interface, all_interfaces
from trafficmon.layout import InterfaceState
from trafficmon.pins import PinDirectory
from trafficmon.records import text_of


def refuse_foreign(pins: PinDirectory) -> None:
    """TrafficmonError where something else than trafficmon's lies in the pin directory."""
    if not pins.exists():
        return
    if not pins.root.is_dir():
        raise TrafficmonError(f"{pins.root} is not a directory; choose another --pin-dir")
    pins.require_ours()
    if foreign := pins.foreign():
        raise TrafficmonError(
            f"{foreign[0]} is not trafficmon's; remove it, or choose another --pin-dir"
        )


def _usual(request: Request) -> tuple[Interface, ...]:
    """The interfaces that were named; else the default route's, if a layer needs one."""
    if request.interfaces or not set(request.layers) & set(WIRE_LAYERS):
        return request.interfaces
    return usual_interfaces()


def prepare(pins: PinDirectory, request: Request, notes: list[str]) -> tuple[Interface, ...]:
    """Clear away a half-finished attach, or another version that is to be replaced.

    Returns the interfaces to attach to; ``notes`` gets what the user should know.
    """
    if not pins.is_complete():
        if pins.exists() and pins.ours():
            remove_everything(pins)
            notes.append("cleared away what an interrupted attach had left")
        return _usual(request)
    try:
        with Store.open(pins) as store:
            _require_same_namespace(store)
            _note_size(store, request, notes)
            if request.replace:
                return _with_attached(store, request)
            return _usual(request)
    except ForeignMapsError:
        raise
    except LayoutError:
        if not request.replace:
            raise
        remove_everything(pins)
        notes.append("the version before counted in another layout: counters restart")
        return _usual(request)
    except DamagedError:
        if not request.replace:
            raise
        removed = remove_everything(pins)
        notes.append("what was attached was damaged: it is attached anew, counters restart")
        return _as_before(removed.interfaces, request)


def _as_before(names: list[str], request: Request) -> tuple[Interface, ...]:
    """The interfaces that were named, and those that were attached; else the default route's."""
    known = all_interfaces()
    more = [known[name] for name in names if name in known]
    return tuple(dict.fromkeys((*request.interfaces, *more))) or _usual(request)


def _require_same_namespace(store: Store) -> None:
    if store.is_of_this_namespace():
        return
    meta = store.meta()
    if netns.path_of(int(meta["netns_inode"]), int(meta["netns_cookie"])) is None:
        raise TrafficmonError(
            f"what is attached in {store.pins.root} was in a network namespace that was deleted; "
            "'trafficmon detach' clears it away, or use another --pin-dir"
        )
    raise TrafficmonError(
        f"{store.pins.root} is in use from another network namespace; use another --pin-dir "
        "for this one, or 'trafficmon detach' to end what was attached there"
    )


def _note_size(store: Store, request: Request, notes: list[str]) -> None:
    size = store.geometry().max_flows
    if request.max_flows not in (None, size):
        notes.append(
            f"the flow table keeps its size, {size}; 'trafficmon detach' first to have another"
        )


def _with_attached(store: Store, request: Request) -> tuple[Interface, ...]:
    """--replace takes over all interfaces that are attached, named or not."""
    known = all_interfaces()
    names = [interface.name for interface in request.interfaces]
    attached = [r for r in store.interfaces().values() if r["state"] == InterfaceState.ATTACHED]
    today = [(netns.name_of(int(record["ifindex"])), record) for record in attached]
    for name, record in sorted(today, key=lambda one: one[0] is None):
        back = name or text_of(record["name"])  # another interface with the name of a removed one
        if back in known and back not in names:
            names.append(back)
    return tuple(known[name] for name in names)
