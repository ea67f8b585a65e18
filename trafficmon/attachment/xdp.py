# SPDX-License-Identifier: MIT
"""XDP on an interface: which mode, and why.

``auto`` does no harm. Native XDP on a veth, for one, takes its segmentation offload away and with
it three quarters of its TCP throughput, while tc sees the same packets at no such price; so it is
for hardware only. A mode that is requested by name is used.
"""

from __future__ import annotations

import errno
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from trafficmon.attachment import hookrecords
from trafficmon.attachment.memory import is_lack_of_memory
from trafficmon.attachment.programs import xdp_program
from trafficmon.attachment.store import Store
from trafficmon.errors import BpfError
from trafficmon.host.interfaces import Interface
from trafficmon.layout import AttachMode
from trafficmon.libbpf.info import xdp_program as xdp_program_on
from trafficmon.libbpf.link import Link, attach_xdp
from trafficmon.libbpf.object import Program
from trafficmon.uapi import XdpFlag

_MODES = {
    "native": (AttachMode.XDP_NATIVE, XdpFlag.DRV_MODE),
    "generic": (AttachMode.XDP_GENERIC, XdpFlag.SKB_MODE),
    "offload": (AttachMode.XDP_OFFLOAD, XdpFlag.HW_MODE),
}
_NOT_SUPPORTED = (errno.EOPNOTSUPP, 524)  # 524: ENOTSUPP, which the kernel keeps to itself


@dataclass(frozen=True)
class XdpOutcome:
    """How it ended; ``reason`` says why, in words for the user."""

    mode: AttachMode
    reason: str

    @property
    def counts_flows(self) -> bool:
        """Whether XDP sees what comes in frame by frame, so that tc need not count it."""
        return self.mode in (AttachMode.XDP_NATIVE, AttachMode.XDP_OFFLOAD)


def candidates(interface: Interface, requested: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """The modes to try, and, when there are none, the reason."""
    if interface.link_header_bytes == 0:
        return (), f"{interface.name} carries no Ethernet frames; tc counts its packets"
    if requested != ("auto",):
        modes_on = tuple(mode for mode in requested if mode != "off")
        return modes_on, "" if modes_on else "as asked"
    if interface.is_physical:
        return ("native",), ""
    what = interface.kind or "loopback"
    return (), f"native XDP would slow a {what} interface down; tc counts the same packets"


def is_worth_trying(interface: Interface, requested: tuple[str, ...], reason: str) -> bool:
    """Whether XDP, which is off for ``reason``, may come up in one of the modes ``requested``."""
    if xdp_program_on(interface.ifindex) is not None:
        return False
    return any(mode != "off" and f"{mode}: " not in reason for mode in requested)


def attach(
    store: Store,
    interface: Interface,
    slot: int,
    record: Any,
    requested: tuple[str, ...],
    *,
    alone: bool,
) -> XdpOutcome:
    """Attach in the first mode that works, noted in ``record``; off, with the reason, if none does.

    ``alone``: no tc is there to count flows in generic mode's place.
    """
    modes, reason = candidates(interface, requested)
    if modes and (holder := xdp_program_on(interface.ifindex)) is not None:
        return XdpOutcome(
            AttachMode.OFF, f"it carries another XDP program (id {holder}), left alone; tc counts"
        )
    failures = []
    for name in modes:
        mode, flag = _MODES[name]
        with ExitStack() as handles:
            flows = mode != AttachMode.XDP_GENERIC or alone
            try:
                program = handles.enter_context(
                    xdp_program(store, interface, slot, count_flows=flows)
                )
                link = handles.enter_context(attach_xdp(program, interface.ifindex, flag))
            except BpfError as error:
                if is_lack_of_memory(error):
                    raise
                failures.append(f"{name}: {_explain(error)}")
                continue
            program.pin(str(store.pins.program("xdp", slot)))
            link.pin(str(store.pins.link("xdp", slot)))
            hookrecords.note(record, "xdp", program, link)
            record["xdp_mode"] = mode
        return XdpOutcome(mode, "; ".join(failures) or "as asked" * (requested != ("auto",)))
    return XdpOutcome(AttachMode.OFF, reason or "; ".join(failures))


def put_back(record: Any, interface: Interface, program: Program) -> Link:
    """The link of an XDP program that was detached, in the mode of ``record``."""
    flag = next(flag for mode, flag in _MODES.values() if mode == record["xdp_mode"])
    return attach_xdp(program, interface.ifindex, flag)


def _explain(error: BpfError) -> str:
    if error.errno in _NOT_SUPPORTED:
        return "the driver does not have it"
    if error.errno == errno.EBUSY:
        return "another XDP program is there"
    return f"the kernel refused ({error.strerror})"
