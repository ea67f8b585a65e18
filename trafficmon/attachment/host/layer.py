# SPDX-License-Identifier: MIT
"""The layers that there are once on a host, in and out: cgroup, sockops, app, drops.

All of their hooks are links: a cgroup's can be given another program without a gap, tracing ones
cannot. So a running tracing program stays where it is the same as the one to come.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from trafficmon import objects
from trafficmon.attachment import hookrecords
from trafficmon.attachment.host.constants import constants_of, watched_by
from trafficmon.attachment.host.hooks import (
    CGROUP_BEFORE,
    NAMES,
    OLDER_SOCKETS,
    SOCKET_LISTS,
    VARIANTS,
    HostHook,
    Variant,
)
from trafficmon.attachment.identity import unpin
from trafficmon.attachment.memory import is_lack_of_memory
from trafficmon.attachment.repair import is_our_link, pin_again
from trafficmon.attachment.store import Store
from trafficmon.errors import BpfError, MissingPrivilegeError, VerifierError
from trafficmon.host.cgroups import Cgroup
from trafficmon.libbpf.info import program_facts
from trafficmon.libbpf.link import (
    Link,
    attach_cgroup,
    attach_iterator,
    attach_map_iterator,
    attach_tracing,
    read_iterator,
)
from trafficmon.libbpf.object import Object, Program
from trafficmon.model.verdicts import Condition, Verdict
from trafficmon.pins import SOCKET_ITERATORS

_PIN_FREED_S = 0.1  # some grace periods of RCU, after which an inode of bpffs is freed
_FIRST = {"sock_create"}
"""Before sockets that are open already are looked for."""


@dataclass(frozen=True)
class LayerOutcome:
    """How it went with a layer; ``mode`` off: ``note`` says why."""

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
    for variant in VARIANTS[layer]:
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
        _attach_variant(store, CGROUP_BEFORE, cgroup)
        _attach_socket_list(store, cgroup)
        with suppress(BpfError):  # before 5.11 they get their owner as far as packets tell
            _find_older_sockets(store, cgroup)
        _attach_names(store, cgroup)
    _attach_variant(store, variant, cgroup)


def _attach_variant(store: Store, variant: Variant, cgroup: Cgroup) -> None:
    with _loaded(store, variant, cgroup) as loader:
        for hook in variant.hooks:
            if not store.host_hook(hook.kind)["program_id"]:
                _attach_hook(store, loader, hook, cgroup)


def _attach_hook(store: Store, loader: Object, hook: HostHook, cgroup: Cgroup) -> None:
    _unpin(store, hook)  # what an interrupted attach has left, or what of it was taken away
    with ExitStack() as handles:
        program = handles.enter_context(loader.program(hook.program))
        if hook.where is None:
            link = handles.enter_context(attach_tracing(loader, hook.program))
        else:
            link = handles.enter_context(attach_cgroup(program, cgroup.fd, hook.where))
        _pin(store, hook, program, link, watched_by(store, hook.kind, cgroup))


def _attach_socket_list(store: Store, cgroup: Cgroup) -> None:
    """By storage, in one walk; else by files and tables: see bpf/iter_sockets_fallback.bpf.c."""
    by_storage, by_files = SOCKET_LISTS
    if any(is_attached(store, variant) for variant in SOCKET_LISTS):
        return
    (hook,) = by_storage.hooks
    _unpin(store, hook)
    try:
        with (
            _loaded(store, by_storage, cgroup) as loader,
            loader.program(hook.program) as program,
            attach_map_iterator(loader, hook.program, store.maps["sockets"]) as link,
        ):
            _pin(store, hook, program, link, 0)
    except (BpfError, MissingPrivilegeError):
        _attach_variant(store, by_files, cgroup)


def _attach_names(store: Store, cgroup: Cgroup) -> None:
    """And the newest of these programs, where others are attached. Not worth failing for."""
    with suppress(BpfError, MissingPrivilegeError):
        _attach_variant(store, NAMES, cgroup)
        replace_hooks(store, NAMES, cgroup)


def _find_older_sockets(store: Store, cgroup: Cgroup) -> None:
    """Owners for the sockets that processes have open: once, before packets are counted."""
    with (
        _loaded(store, OLDER_SOCKETS, cgroup) as loader,
        attach_iterator(loader, OLDER_SOCKETS.hooks[0].program) as link,
    ):
        read_iterator(link)


def _pin(store: Store, hook: HostHook, program: Program, link: Link, cgroup_id: int) -> None:
    program.pin(str(store.pins.host_program(hook.kind)))
    link.pin(str(store.pins.host_link(hook.kind)))
    store.set_host_hook(hook.kind, hookrecords.numbers(program, link), cgroup_id)


@contextmanager
def _loaded(store: Store, variant: Variant, cgroup: Cgroup) -> Iterator[Object]:
    with Object(objects.path_of(variant.object)) as loader:
        loader.keep_only(*(hook.program for hook in variant.hooks))
        loader.reuse_maps(store.maps)
        app_mode = attached_mode(store, "app")
        loader.set_constants(constants_of(store, variant.object, cgroup, app_mode))
        loader.load()
        yield loader


def is_attached(store: Store, variant: Variant) -> bool:
    """Whether all of its hooks were attached, by their records."""
    return all(store.host_hook(hook.kind)["program_id"] for hook in variant.hooks)


def attached_mode(store: Store, layer: str) -> str:
    """The mode of the variant that is attached, or off."""
    return next((v.mode for v in VARIANTS[layer] if is_attached(store, v)), "off")


def remove(store: Store, variant: Variant) -> None:
    """Take the hooks off: with its last name a link goes."""
    variants = (variant, *SOCKET_LISTS, NAMES) if variant.object == "cgroup" else (variant,)
    for one in variants:
        for hook in one.hooks:
            _unpin(store, hook)
            store.set_host_hook(hook.kind, (0, 0), 0)


def repair_layer(store: Store, layer: str, cgroup: Cgroup, broken: dict[str, Verdict]) -> None:
    """Put those of the layer's hooks back that were taken away; the others go on counting."""
    variant = _running(store, layer)
    if any(kind in SOCKET_ITERATORS for kind in broken):
        for hook in (hook for one in SOCKET_LISTS for hook in one.hooks):
            _unpin(store, hook)
            store.set_host_hook(hook.kind, (0, 0), 0)
        _attach_socket_list(store, cgroup)
    _put_back(store, variant, cgroup, {k: v for k, v in broken.items() if k in _FIRST})
    if _FIRST & set(broken):
        with suppress(BpfError):
            _find_older_sockets(store, cgroup)
    _put_back(store, variant, cgroup, {k: v for k, v in broken.items() if k not in _FIRST})
    if layer == "cgroup":
        _put_back(store, NAMES, cgroup, broken)


def _put_back(store: Store, variant: Variant, cgroup: Cgroup, broken: dict[str, Verdict]) -> None:
    hooks = [hook for hook in variant.hooks if hook.kind in broken]
    for hook in hooks:
        if broken[hook.kind].condition == Condition.UNPINNED:
            known = store.host_hook(hook.kind)
            pin_again(store.pins.host_program(hook.kind), int(known["program_id"]), Program)
            pin_again(store.pins.host_link(hook.kind), int(known["link_id"]), Link)
    lost = [hook for hook in hooks if broken[hook.kind].condition != Condition.UNPINNED]
    if not lost:
        return
    _end(store, [hook for hook in lost if hook.where is None])
    with _loaded(store, variant, cgroup) as loader:
        for hook in lost:
            if broken[hook.kind].condition == Condition.REPLACED and _is_ours(store, hook):
                _swap(store, loader, hook)  # our link, which was given another program
            else:
                _attach_hook(store, loader, hook, cgroup)


def _is_ours(store: Store, hook: HostHook) -> bool:
    link_id = int(store.host_hook(hook.kind)["link_id"])
    return is_our_link(store.pins.host_link(hook.kind), link_id) and hook.where is not None


def _running(store: Store, layer: str) -> Variant:
    return next(variant for variant in VARIANTS[layer] if is_attached(store, variant))


def replace_layer(store: Store, layer: str, cgroup: Cgroup) -> LayerOutcome:
    """Fresh programs on the old links, counting into the old maps."""
    variant = _running(store, layer)
    if layer == "cgroup":
        _attach_names(store, cgroup)
    if replace_hooks(store, variant, cgroup):
        return LayerOutcome(layer, variant.mode, "taken over, counters go on")
    note = "taken over: what passed in that moment was not counted"
    return LayerOutcome(layer, variant.mode, note)


def replace_hooks(store: Store, variant: Variant, cgroup: Cgroup) -> bool:
    """Fresh programs on the links of ``variant``; whether nothing passed in between uncounted."""
    without_a_gap = True
    with _loaded(store, variant, cgroup) as loader:
        for hook in variant.hooks:
            if hook.where is not None:
                _swap(store, loader, hook)
            elif not _is_the_same(store, loader, hook):
                _end(store, [hook])
                _attach_hook(store, loader, hook, cgroup)
                without_a_gap = False
    return without_a_gap


def _is_the_same(store: Store, loader: Object, hook: HostHook) -> bool:
    """Whether what runs has the instructions of what was loaded."""
    running = Program.from_pin(str(store.pins.host_program(hook.kind)))
    with running, loader.program(hook.program) as program:
        return program_facts(running).tag == program_facts(program).tag


def _swap(store: Store, loader: Object, hook: HostHook) -> None:
    """The link's program; its new pin is in the place of the old one at once."""
    path = store.pins.host_program(hook.kind)
    fresh = path.with_name(f"{path.name}_new")
    with (
        loader.program(hook.program) as program,
        Link.from_pin(str(store.pins.host_link(hook.kind))) as link,
    ):
        fresh.unlink(missing_ok=True)
        program.pin(str(fresh))
        link.update(program)
        fresh.replace(path)
        known = store.host_hook(hook.kind)
        numbers = hookrecords.numbers(program, link)
        store.set_host_hook(hook.kind, numbers, int(known["cgroup_id"]))


def _end(store: Store, tracing: list[HostHook]) -> None:
    """Take these hooks off, so that no call is counted by them and by those that come after them.

    A tracing link cannot be detached by force. One that loses its pin, its last holder, is freed in
    the kernel's own time, and counts until then; one that is closed last is off when close()
    returns. So it is held for longer than the pin takes to let go of it.
    """
    with ExitStack() as held:
        for hook in tracing:
            pin = store.pins.host_link(hook.kind)
            if pin.exists():
                held.enter_context(Link.from_pin(str(pin)))
                pin.unlink()
        if tracing:
            time.sleep(_PIN_FREED_S)


def _unpin(store: Store, hook: HostHook) -> None:
    noted = int(store.host_hook(hook.kind)["link_id"])
    unpin(store.pins, store.pins.host_link(hook.kind), noted)
    unpin(store.pins, store.pins.host_program(hook.kind))
