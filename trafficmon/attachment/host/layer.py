# SPDX-License-Identifier: MIT
"""A layer of the host: attach, repair, replace and remove all of its hooks."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import dataclass

from trafficmon.attachment.host.hook import (
    attach_missing,
    attached_mode,
    hooks_here,
    is_attached,
    loaded,
    pin_hook,
    put_back,
    remove_hooks,
    replace_hooks,
    unpin_hook,
)
from trafficmon.attachment.memory import is_lack_of_memory
from trafficmon.attachment.store import Store
from trafficmon.errors import BpfError, MissingPrivilegeError, VerifierError
from trafficmon.hook_registry import (
    EXISTING_SOCKETS,
    LAYERS,
    NEW_SOCKETS,
    PROCESS_NAMES,
    SOCKET_ITERATORS,
    SOCKET_LISTS,
    Variant,
)
from trafficmon.host.cgroups import Cgroup
from trafficmon.libbpf.link import attach_iterator, attach_map_iterator, read_iterator
from trafficmon.model.verdicts import Verdict

_FIRST = frozenset(hook.name for hook in NEW_SOCKETS.hooks)
"""Before sockets that are open already are looked for."""


@dataclass(frozen=True)
class LayerOutcome:
    """The result for a layer; ``mode`` off: ``note`` says why."""

    layer: str
    mode: str
    note: str = ""


def attach_layer(
    store: Store, layer: str, cgroup: Cgroup, undo: ExitStack, only: str = "auto"
) -> LayerOutcome:
    """The first of the layer's variants that this kernel takes; ``only``: of this mode."""
    running = attached_mode(store, layer)
    if running != "off":
        return LayerOutcome(layer, running, "was attached already")
    refusals = []
    for variant in LAYERS[layer]:
        if only not in ("auto", variant.mode):
            continue
        with ExitStack() as half_done:
            half_done.callback(remove, store, variant)
            try:
                _attach(store, layer, variant, cgroup)
            except (BpfError, MissingPrivilegeError) as error:
                if is_lack_of_memory(error):
                    raise
                refusals.append(f"{variant.mode}: {_explain(error)}")
                continue
            half_done.pop_all()
        undo.callback(remove, store, variant)
        return LayerOutcome(layer, variant.mode)
    return LayerOutcome(layer, "off", "; ".join(refusals))


def _explain(error: BpfError | MissingPrivilegeError) -> str:
    """Who may attach to interfaces lacks no privilege: then this kernel cannot do it at all."""
    if isinstance(error, VerifierError):
        return str(error)
    if isinstance(error, MissingPrivilegeError):
        return "the kernel refused (it does not have this, or does not allow it)"
    return f"the kernel refused ({error.strerror})"


def _attach(store: Store, layer: str, variant: Variant, cgroup: Cgroup) -> None:
    if layer == "cgroup":
        attach_missing(store, NEW_SOCKETS, cgroup)
        _attach_socket_list(store, cgroup)
        with suppress(BpfError):  # before 5.11 they get their owner from their packets, if at all
            _find_existing_sockets(store, cgroup)
        _attach_process_names(store, cgroup)
    attach_missing(store, variant, cgroup)


def _attach_socket_list(store: Store, cgroup: Cgroup) -> None:
    """By storage, in one walk; else by files and tables: see bpf/iter_sockets_fallback.bpf.c."""
    by_storage, by_files = SOCKET_LISTS
    if any(is_attached(store, variant) for variant in SOCKET_LISTS):
        return
    (hook,) = by_storage.hooks
    unpin_hook(store, hook)
    try:
        with (
            loaded(store, by_storage, cgroup) as loader,
            loader.program(hook.program) as program,
            attach_map_iterator(loader, hook.program, store.maps["sockets"]) as link,
        ):
            pin_hook(store, hook, program, link, 0)
    except (BpfError, MissingPrivilegeError):
        attach_missing(store, by_files, cgroup)


def _attach_process_names(store: Store, cgroup: Cgroup) -> None:
    """And the newest of these programs, where others are attached. Not worth failing for."""
    with suppress(BpfError, MissingPrivilegeError):
        attach_missing(store, PROCESS_NAMES, cgroup)
        replace_hooks(store, PROCESS_NAMES, cgroup)


def _find_existing_sockets(store: Store, cgroup: Cgroup) -> None:
    """Owners for the sockets that processes have open: once, before packets are counted."""
    with (
        loaded(store, EXISTING_SOCKETS, cgroup) as loader,
        attach_iterator(loader, EXISTING_SOCKETS.hooks[0].program) as link,
    ):
        read_iterator(link)


def remove(store: Store, variant: Variant) -> None:
    """Take the hooks off; with those of the cgroup layer the ones that came with it."""
    with_it = (*SOCKET_LISTS, PROCESS_NAMES) if variant.object == "cgroup" else ()
    for one in (variant, *with_it):
        remove_hooks(store, hooks_here(one))


def repair_layer(store: Store, layer: str, cgroup: Cgroup, broken: dict[str, Verdict]) -> None:
    """Put those of the layer's hooks back that were taken away; the others count on meanwhile."""
    variant = _running(store, layer)
    if any(name in SOCKET_ITERATORS for name in broken):
        for one in SOCKET_LISTS:
            remove_hooks(store, one.hooks)
        _attach_socket_list(store, cgroup)
    put_back(store, variant, cgroup, {k: v for k, v in broken.items() if k in _FIRST})
    if _FIRST & set(broken):
        with suppress(BpfError):
            _find_existing_sockets(store, cgroup)
    put_back(store, variant, cgroup, {k: v for k, v in broken.items() if k not in _FIRST})
    if layer == "cgroup":
        put_back(store, PROCESS_NAMES, cgroup, broken)


def _running(store: Store, layer: str) -> Variant:
    return next(variant for variant in LAYERS[layer] if is_attached(store, variant))


def replace_layer(store: Store, layer: str, cgroup: Cgroup) -> LayerOutcome:
    """Fresh programs on the old links, counting into the old maps."""
    variant = _running(store, layer)
    if layer == "cgroup":
        _attach_process_names(store, cgroup)
    if replace_hooks(store, variant, cgroup):
        return LayerOutcome(layer, variant.mode, "taken over, counters continue")
    note = "taken over: what passed in that moment was not counted"
    return LayerOutcome(layer, variant.mode, note)
