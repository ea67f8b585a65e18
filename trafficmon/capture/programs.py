# SPDX-License-Identifier: MIT
"""The capture's own programs on the watched interfaces, for as long as it lasts.

tcx links go with their process. Before Linux 6.6 there are filters on clsact instead, which stay
where their process is killed: detach takes those away (attachment/tc.py).
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from trafficmon import objects
from trafficmon.attachment import tc
from trafficmon.attachment.store import Store
from trafficmon.capture.steps import Steps
from trafficmon.errors import BpfError
from trafficmon.hook_registry import Hook, hooks_of
from trafficmon.host.interfaces import Interface
from trafficmon.layout import MATCH_STEPS, AttachMode
from trafficmon.libbpf import features
from trafficmon.libbpf.link import attach_tcx
from trafficmon.libbpf.map import Map
from trafficmon.libbpf.object import Object, Program
from trafficmon.records import slot_key
from trafficmon.uapi import ProgramType

_HOOKS = hooks_of("capture")
_OF_THE_CAPTURE = (
    "samples",
    "sample_counts",
    "sample_scratch",
    "match_steps",
    "match_packet",
    "owner_lookup",
)
_COUNTING_ALONE = ("fragments", "ledger")
"""Who counts has them alone: two that remember fragments in one table would confuse each other."""

_EVERY_PACKET = 0


@contextmanager
def capturing(
    store: Store, interfaces: dict[int, Interface], steps: Steps, snap_bytes: int, one_of: int
) -> Iterator[dict[str, Map]]:
    """The maps `samples` and `sample_counts`, which fill while inside.

    ``interfaces``: by slot. ``one_of`` packets that match, one by chance.
    """
    constants = {
        "tm_snap_bytes": snap_bytes,
        "tm_sample_below": (1 << 32) // one_of if one_of > 1 else _EVERY_PACKET,
        "tm_match_owner": int(steps.asks_owner),
    }
    with ExitStack() as open_:
        maps: dict[str, Map] = {}
        for slot, interface in interfaces.items():
            loader = open_.enter_context(Object(objects.path_of("capture")))
            _load(loader, store, interface, slot, constants, maps)
            if not maps:
                maps = {n: open_.enter_context(loader.map(n)) for n in _OF_THE_CAPTURE}
                for index in range(MATCH_STEPS):
                    maps["match_steps"].update(slot_key(index), steps.records[index].tobytes())
            for hook in _HOOKS:
                program = open_.enter_context(loader.program(hook.program))
                _attach(program, hook, interface, open_)
        yield maps


def _load(
    loader: Object,
    store: Store,
    interface: Interface,
    slot: int,
    constants: dict[str, int],
    maps: dict[str, Map],
) -> None:
    cpus = store.geometry().cpus
    cells = store.geometry().max_interfaces * cpus
    sizes = {"sample_scratch": cpus, "sample_counts": cells, "match_packet": cpus, "ledger": cpus}
    sizes["owner_lookup"] = cpus
    loader.set_map_entries(sizes)
    shared = {name: held for name, held in store.maps.items() if name not in _COUNTING_ALONE}
    loader.reuse_maps(shared | maps)
    record = store.interface(slot)
    generic = record["xdp_mode"] == AttachMode.XDP_GENERIC
    loader.set_constants(
        {
            **constants,
            "tm_cpus": cpus,
            "tm_flush_jiffies": store.second_jiffies(),
            "tm_flow_sets": store.geometry().flow_sets,
            "tm_seed": int(store.meta()["seed"]),
            "tm_counted_id": 2 * int(record["number"]) + int(record["excluded_from_totals"]),
            "tm_row": slot,  # of this capture's own counts
            "tm_interface_id": slot,
            "tm_link_header_bytes": interface.link_header_bytes,
            "tm_seek_mac": int(generic),
            "tm_read_kernel": int(features.may_read_kernel(ProgramType.SCHED_CLS)),
        }
    )
    loader.load()


def _attach(program: Program, hook: Hook, interface: Interface, open_: ExitStack) -> None:
    try:
        open_.enter_context(attach_tcx(program, interface.ifindex, hook.attach_type))
    except BpfError as error:
        if error.errno != errno.EINVAL:
            raise
        open_.enter_context(tc.capture_filter(program, interface.ifindex, hook.attach_type))
