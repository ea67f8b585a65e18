# SPDX-License-Identifier: MIT
"""One hook of the host: attach its program, swap it, take it off.

All of these hooks are links. A cgroup's can be given another program without a gap, tracing ones
cannot. So a running tracing program stays where it is the same as the one to come.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from trafficmon import objects
from trafficmon.attachment import hookrecords
from trafficmon.attachment.host.constants import constants_of, watched_by
from trafficmon.attachment.identity import unpin
from trafficmon.attachment.repair import is_our_link, pin_again
from trafficmon.attachment.store import Store
from trafficmon.hook_registry import LAYERS, Hook, Variant
from trafficmon.host.cgroups import Cgroup
from trafficmon.libbpf import features
from trafficmon.libbpf.info import program_facts
from trafficmon.libbpf.link import Link, attach_cgroup, attach_tracing
from trafficmon.libbpf.object import Object, Program
from trafficmon.model.verdicts import Condition, Verdict

_PIN_FREED_S = 0.1  # some grace periods of RCU, after which an inode of bpffs is freed


def hooks_here(variant: Variant) -> list[Hook]:
    """The hooks of ``variant`` whose functions this kernel has."""
    return [
        hook
        for hook in variant.hooks
        if hook.is_in_all_kernels or features.has_kernel_function(hook.kernel_function)
    ]


def is_attached(store: Store, variant: Variant) -> bool:
    """Whether all of its hooks were attached, by their records."""
    return all(store.host_hook(hook.name)["program_id"] for hook in hooks_here(variant))


def attached_mode(store: Store, layer: str) -> str:
    """The mode of the variant that is attached, or off."""
    return next((v.mode for v in LAYERS[layer] if is_attached(store, v)), "off")


@contextmanager
def loaded(store: Store, variant: Variant, cgroup: Cgroup) -> Iterator[Object]:
    """The object of ``variant`` with the programs of its hooks, loaded."""
    with Object(objects.path_of(variant.object)) as loader:
        loader.keep_only(*(hook.program for hook in hooks_here(variant)))
        loader.reuse_maps(store.maps)
        app_mode = attached_mode(store, "app")
        loader.set_constants(constants_of(store, variant.object, cgroup, app_mode))
        loader.load()
        yield loader


def attach_missing(store: Store, variant: Variant, cgroup: Cgroup) -> None:
    """Attach those hooks of ``variant`` that are not attached by their records."""
    with loaded(store, variant, cgroup) as loader:
        for hook in hooks_here(variant):
            if not store.host_hook(hook.name)["program_id"]:
                attach_hook(store, loader, hook, cgroup)


def attach_hook(store: Store, loader: Object, hook: Hook, cgroup: Cgroup) -> None:
    """Attach one hook, pin program and link, note both."""
    unpin_hook(store, hook)  # of an interrupted attach, or of a hook that was taken away
    with ExitStack() as handles:
        program = handles.enter_context(loader.program(hook.program))
        if hook.is_on_cgroup:
            link = handles.enter_context(attach_cgroup(program, cgroup.fd, hook.attach_type))
        else:
            link = handles.enter_context(attach_tracing(loader, hook.program))
        pin_hook(store, hook, program, link, watched_by(store, hook, cgroup))


def pin_hook(store: Store, hook: Hook, program: Program, link: Link, cgroup_id: int) -> None:
    """Pin program and link, and note them with the cgroup that they watch, or 0."""
    program.pin(str(store.pins.host_program(hook.name)))
    link.pin(str(store.pins.host_link(hook.name)))
    store.set_host_hook(hook.name, hookrecords.numbers(program, link), cgroup_id)


def unpin_hook(store: Store, hook: Hook) -> None:
    """Take it off and remove its pins, if they are trafficmon's."""
    noted = int(store.host_hook(hook.name)["link_id"])
    unpin(store.pins, store.pins.host_link(hook.name), noted)
    unpin(store.pins, store.pins.host_program(hook.name))


def remove_hooks(store: Store, hooks: Iterable[Hook]) -> None:
    """Take the hooks off, and forget them."""
    for hook in hooks:
        unpin_hook(store, hook)
        store.set_host_hook(hook.name, (0, 0), 0)


def put_back(store: Store, variant: Variant, cgroup: Cgroup, broken: dict[str, Verdict]) -> None:
    """Those hooks of ``variant`` that are ``broken``; the others count on meanwhile."""
    hooks = [hook for hook in hooks_here(variant) if hook.name in broken]
    for hook in hooks:
        if broken[hook.name].condition == Condition.UNPINNED:
            known = store.host_hook(hook.name)
            pin_again(store.pins.host_program(hook.name), int(known["program_id"]), Program)
            pin_again(store.pins.host_link(hook.name), int(known["link_id"]), Link)
    lost = [hook for hook in hooks if broken[hook.name].condition != Condition.UNPINNED]
    if not lost:
        return
    _end(store, [hook for hook in lost if not hook.is_on_cgroup])
    with loaded(store, variant, cgroup) as loader:
        for hook in lost:
            if broken[hook.name].condition == Condition.REPLACED and _is_ours(store, hook):
                _swap(store, loader, hook)  # our link, which was given another program
            else:
                attach_hook(store, loader, hook, cgroup)


def _is_ours(store: Store, hook: Hook) -> bool:
    link_id = int(store.host_hook(hook.name)["link_id"])
    return is_our_link(store.pins.host_link(hook.name), link_id) and hook.is_on_cgroup


def replace_hooks(store: Store, variant: Variant, cgroup: Cgroup) -> bool:
    """Fresh programs on the links of ``variant``; whether nothing passed in between uncounted."""
    without_a_gap = True
    with loaded(store, variant, cgroup) as loader:
        for hook in hooks_here(variant):
            if hook.is_on_cgroup:
                _swap(store, loader, hook)
            elif not _is_the_same(store, loader, hook, cgroup):
                _end(store, [hook])
                attach_hook(store, loader, hook, cgroup)
                without_a_gap = False
    return without_a_gap


def _is_the_same(store: Store, loader: Object, hook: Hook, cgroup: Cgroup) -> bool:
    """Whether the running program has the instructions of the loaded one, and watches its cgroup.

    The kernel's tag covers no constants.
    """
    if store.host_hook(hook.name)["cgroup_id"] != watched_by(store, hook, cgroup):
        return False
    running = Program.from_pin(str(store.pins.host_program(hook.name)))
    with running, loader.program(hook.program) as program:
        return program_facts(running).tag == program_facts(program).tag


def _swap(store: Store, loader: Object, hook: Hook) -> None:
    """Give the link a fresh program; its pin takes the place of the old one at once."""
    path = store.pins.host_program(hook.name)
    fresh = path.with_name(f"{path.name}_new")
    with (
        loader.program(hook.program) as program,
        Link.from_pin(str(store.pins.host_link(hook.name))) as link,
    ):
        fresh.unlink(missing_ok=True)
        program.pin(str(fresh))
        link.update(program)
        fresh.replace(path)
        known = store.host_hook(hook.name)
        numbers = hookrecords.numbers(program, link)
        store.set_host_hook(hook.name, numbers, int(known["cgroup_id"]))


def _end(store: Store, tracing: list[Hook]) -> None:
    """Take these hooks off, so that no call is counted by them and by their successors.

    A tracing link cannot be detached by force. One that loses its pin, its last holder, is freed in
    the kernel's own time, and counts until then; one that is closed last is off when close()
    returns. So it is held for longer than the pin takes to release it.
    """
    with ExitStack() as held:
        for hook in tracing:
            pin = store.pins.host_link(hook.name)
            if pin.exists():
                held.enter_context(Link.from_pin(str(pin)))
                pin.unlink()
        if tracing:
            time.sleep(_PIN_FREED_S)
