# SPDX-License-Identifier: MIT
"""All requested layers of the host, on the requested cgroup."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from trafficmon.attachment.host.hook import attached_mode, replace_hooks
from trafficmon.attachment.host.layer import (
    LayerOutcome,
    attach_layer,
    repair_layer,
    replace_layer,
)
from trafficmon.attachment.repair import put_back_note
from trafficmon.attachment.request import HOST_LAYERS, Request
from trafficmon.attachment.store import Store
from trafficmon.errors import TrafficmonError, UnsupportedError
from trafficmon.hook_registry import BY_CALLERS, CLOSED_SOCKETS, HOST_HOOKS, LAYERS, ON_SOCKETS
from trafficmon.hooks.check import check_hooks
from trafficmon.host import cgroups
from trafficmon.host.cgroups import Cgroup
from trafficmon.records import text_of


def attach(store: Store, request: Request, undo: ExitStack) -> list[LayerOutcome]:
    """Each layer, in the order in which they build on each other; or why not."""
    running = [layer for layer in HOST_LAYERS if attached_mode(store, layer) != "off"]
    requested = [layer for layer in HOST_LAYERS if layer in request.layers]
    if not requested and not (request.replace and running):
        return []
    path = _cgroup_of(store, request, is_running=bool(running))
    if path is None:
        return [LayerOutcome(layer, "off", "no cgroup v2 is mounted") for layer in requested]
    if running and not path.is_dir():
        note = f"the cgroup {path} is not there; attach again when it is"
        return [LayerOutcome(layer, attached_mode(store, layer), note) for layer in running]
    with Cgroup(path) as cgroup:
        store.set_cgroup(str(path))
        put_back = {layer: _repair(store, layer, cgroup) for layer in running}
        done = [_one(store, layer, cgroup, request, undo) for layer in requested]
        _renew_older_layers(store, cgroup, running, requested)
        if request.replace:
            left = [layer for layer in running if layer not in requested]
            done += [replace_layer(store, layer, cgroup) for layer in left]
    return [_with_note(outcome, put_back.get(outcome.layer, "")) for outcome in done]


def _repair(store: Store, layer: str, cgroup: Cgroup) -> str:
    """Returns what was put back, for the user; "" where nothing had to be."""
    found = check_hooks(store.pins, store.meta(), {}).host
    of_layer = {kind: verdict for kind, verdict in found.items() if HOST_HOOKS[kind].layer == layer}
    broken = {kind: verdict for kind, verdict in of_layer.items() if verdict.is_wrong}
    if not broken:
        return ""
    repair_layer(store, layer, cgroup, broken)
    return put_back_note(broken)


def _with_note(outcome: LayerOutcome, put_back: str) -> LayerOutcome:
    if not put_back:
        return outcome
    note = f"{put_back}; {outcome.note}" if outcome.note.startswith("taken over") else put_back
    return replace(outcome, note=note)


def _renew_older_layers(
    store: Store, cgroup: Cgroup, running: list[str], requested: list[str]
) -> None:
    """Layers that were loaded before another one, and have constants that depend on that one."""
    if "cgroup" in requested and "cgroup" not in running and "drops" in running:
        replace_layer(store, "drops", cgroup)  # from now on it counts sockets of the cgroup, too
    if "app" in requested and "app" not in running and attached_mode(store, "cgroup") != "off":
        _renew_cgroup_layer(store, cgroup, attached_mode(store, "app"))


def _renew_cgroup_layer(store: Store, cgroup: Cgroup, app_mode: str) -> None:
    if app_mode in BY_CALLERS:
        replace_layer(store, "cgroup", cgroup)
    elif app_mode in ON_SOCKETS:
        replace_hooks(store, CLOSED_SOCKETS, cgroup)


def _cgroup_of(store: Store, request: Request, *, is_running: bool) -> Path | None:
    known = text_of(store.meta()["cgroup"])
    if not is_running or not known:
        return request.cgroup or cgroups.version_2_root()
    if request.cgroup is not None and str(request.cgroup) != known:
        raise TrafficmonError(
            f"what is attached watches {known}, not {request.cgroup}; 'trafficmon detach' first, "
            "or use another --pin-dir"
        )
    return Path(known)


def _unsupported(layer: str, only: str, note: str) -> UnsupportedError:
    versions = [variant.since for variant in LAYERS[layer] if only in ("auto", variant.mode)]
    first = min(versions, key=lambda version: [int(part) for part in version.split(".")])
    feature = f"hooks for layer {layer}" if only == "auto" else f"app layer by {only}"
    return UnsupportedError(feature, first, note)


def _one(
    store: Store, layer: str, cgroup: Cgroup, request: Request, undo: ExitStack
) -> LayerOutcome:
    if request.replace and attached_mode(store, layer) != "off":
        return replace_layer(store, layer, cgroup)
    only = request.app_mode if layer == "app" else "auto"
    outcome = attach_layer(store, layer, cgroup, undo, only)
    is_requested = request.layers_named or only != "auto"
    if outcome.mode == "off" and is_requested:
        raise _unsupported(layer, only, outcome.note)
    return outcome
