# SPDX-License-Identifier: MIT
"""Interfaces as attach has recorded them, and what each counted by itself.

A slot has two rows of counters, which only grow: what counts in sums over interfaces, and what
they leave out. When an interface is gone its slot is given to another one; then `base` says which
part of the rows is of earlier ones. So sums need rows alone, and an interface is its rows less its
base.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trafficmon.layout import HOOKS, INTERFACE, INTERFACE_ROWS, AttachMode, InterfaceState
from trafficmon.model.groups import Records
from trafficmon.model.verdicts import Findings, InterfaceFinding
from trafficmon.records import text_of

BASE = INTERFACE["base"]
BASE_FIELDS = tuple(BASE["hooks"].base.names or ())
_COVERED = 1


class WatchedInterface(NamedTuple):
    """An interface's record."""

    slot: int
    number: int  # of its flows: see interface_number()
    name: str
    ifindex: int
    state: InterfaceState
    gone: bool  # it was there when attached, and is no longer
    xdp_mode: AttachMode
    tc_mode: AttachMode
    tc_rx: bool
    covered: bool  # sums over interfaces leave it out
    dns: bool  # its DNS messages are copied
    reason: str
    attached_at_ns: int
    base: Any  # tm_interface_base

    @property
    def is_attached(self) -> bool:
        """Whether it is watched now."""
        return self.state == InterfaceState.ATTACHED and not self.gone

    @property
    def rows(self) -> list[int]:
        """Of hook_counters and services."""
        return rows_of(self.slot)


def rows_of(slot: int) -> list[int]:
    """Rows of hook_counters and services that the interface in ``slot`` counts in."""
    first = slot * INTERFACE_ROWS
    return list(range(first, first + INTERFACE_ROWS))


def is_in_sums(rows_or_ids: Records) -> NDArray[np.bool_]:
    """Whether rows of counters, or interface_ids of flows, count in sums over interfaces."""
    counts: NDArray[np.bool_] = (rows_or_ids & _COVERED) == 0
    return counts


def interface_number(interface_ids: Records) -> Records:
    """Numbers of `interface_names`."""
    return interface_ids >> 1


def counted_by_hook(seen: Records, slot: int) -> Records:
    """What ``slot`` has counted since it was first used, by hook: BASE_FIELDS of hook_counters."""
    mine = seen[rows_of(slot)]
    total = np.zeros(HOOKS, BASE["hooks"].base)
    for name in BASE_FIELDS:
        total[name] = mine[name].sum(axis=0, dtype=np.uint64)
    return total


def since(total: Records, base: Records) -> Records:
    """``total`` less ``base``; 0 where the slot was given away between our looks at the two."""
    own = np.zeros(HOOKS, total.dtype)
    for name in BASE_FIELDS:
        own[name] = np.where(total[name] > base[name], total[name] - base[name], 0)
    return own


def watched(records: Records, findings: Findings) -> list[WatchedInterface]:
    """Of INTERFACE, by slot, those in use."""
    used = np.flatnonzero(records["state"] != InterfaceState.FREE).tolist()
    return [_interface(slot, records[slot], findings.interfaces.get(slot)) for slot in used]


def _interface(slot: int, record: Any, found: InterfaceFinding | None) -> WatchedInterface:
    return WatchedInterface(
        slot=slot,
        number=int(record["number"]),
        name=found.name if found else text_of(record["name"]),
        ifindex=int(record["ifindex"]),
        state=InterfaceState(int(record["state"])),
        gone=found is not None and found.has_gone,
        xdp_mode=AttachMode(int(record["xdp_mode"])),
        tc_mode=AttachMode(int(record["tc_mode"])),
        tc_rx=bool(record["tc_rx"]),
        covered=bool(record["excluded_from_totals"]),
        dns=bool(record["dns"]),
        reason=text_of(record["reason"]),
        attached_at_ns=int(record["attached_at_ns"]),
        base=record["base"],
    )
