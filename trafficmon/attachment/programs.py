# SPDX-License-Identifier: MIT
"""Loading the programs of one interface.

Each interface gets its own copy, with its slot and its link header as constants: that saves the
lookup of the interface for every packet, and gives run statistics by interface.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from trafficmon import objects
from trafficmon.attachment.store import Store
from trafficmon.hook_registry import INTERFACE_HOOKS
from trafficmon.host.interfaces import Interface
from trafficmon.layout import INTERFACE_ROWS
from trafficmon.libbpf import features
from trafficmon.libbpf.object import Object, Program
from trafficmon.uapi import Helper, ProgramType


@contextmanager
def xdp_program(
    store: Store, interface: Interface, slot: int, *, count_flows: bool
) -> Iterator[Program]:
    """The XDP program for an interface, loaded."""
    with Object(objects.path_of("xdp")) as loader:
        if features.has_helper(ProgramType.XDP, Helper.XDP_GET_BUFF_LEN):
            loader.allow_frames_of_several_buffers()
        _load(loader, store, interface, slot, count_flows=count_flows)
        with loader.program(INTERFACE_HOOKS["xdp"].program) as program:
            yield program


@contextmanager
def tc_programs(
    store: Store,
    interface: Interface,
    slot: int,
    kinds: tuple[str, ...],
    *,
    behind_generic_xdp: bool,
) -> Iterator[dict[str, Program]]:
    """The tc programs of ``kinds`` ("tc_rx", "tc_tx") for an interface, loaded."""
    with Object(objects.path_of("tc")) as loader, ExitStack() as handles:
        names = {kind: INTERFACE_HOOKS[kind].program for kind in kinds}
        loader.keep_only(*names.values())
        readable = features.may_read_kernel(ProgramType.SCHED_CLS)
        loader.set_constants(
            {"tm_seek_mac": int(behind_generic_xdp), "tm_read_kernel": int(readable)}
        )
        _load(loader, store, interface, slot, count_flows=True)
        yield {kind: handles.enter_context(loader.program(n)) for kind, n in names.items()}


def _load(
    loader: Object, store: Store, interface: Interface, slot: int, *, count_flows: bool
) -> None:
    loader.reuse_maps(store.maps)
    loader.set_map_entries({"dns_scratch": store.geometry().cpus})
    constants = store.constants()
    record = store.interface(slot)
    constants["tm_row"] = INTERFACE_ROWS * slot + int(record["excluded_from_totals"])
    constants["tm_interface_id"] = 2 * int(record["number"]) + int(record["excluded_from_totals"])
    constants["tm_link_header_bytes"] = interface.link_header_bytes
    constants["tm_count_flows"] = int(count_flows)
    constants["tm_copy_dns"] = int(record["dns"])
    loader.set_constants(constants)
    with store.let_others_work():  # the verifier takes nearly all of an attach
        loader.load()
