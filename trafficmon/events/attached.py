# SPDX-License-Identifier: MIT
"""What events need of the attachment other than their ring buffers: names, counts, its clock.

The one module of events and of those who read them that knows the counters' maps.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import numpy as np

from trafficmon.dns.current import CurrentNames
from trafficmon.events.event import UNKNOWN_OWNER, Owner
from trafficmon.host.identities import Identities
from trafficmon.layout import INTERFACE_NAME
from trafficmon.model.drop_kinds import drop_kind
from trafficmon.model.groups import Groups
from trafficmon.pins import PinDirectory
from trafficmon.reader.drop_names import KernelDropNames
from trafficmon.reader.live import Live
from trafficmon.records import record_of, text_of

_OWNERS_KEPT, _OWNERS_FRESH_S = 4096, 10.0
"""A process may be renamed by exec(); names that were looked up hold for so long."""

_FRESH_S = 1.0


class Attached:
    """An attachment, as long as its maps are open; a decoder's EventNames."""

    def __init__(self, live: Live) -> None:
        self._live, self._identities = live, Identities()
        self.pins: PinDirectory = live.pins
        self.meta: Any = live.meta
        """META, as of when this was opened."""
        self._remote_names = CurrentNames(
            live.pins.root, int(live.meta["attached_at_ns"]), live.owner
        )
        self._owners: dict[int, Owner] = {}
        self._owners_until_s = 0.0
        self._drops = KernelDropNames(live.drop_place, self._identities.kernel_function)
        self._interfaces = live.interface_names
        self._read_interfaces(live)

    def close(self) -> None:
        """Let go of the book of names; the maps are closed by attached()."""
        self._remote_names.close()

    def _read_interfaces(self, live: Live) -> None:
        self._by_ifindex = {one.ifindex: one.name for one in live.interfaces if one.is_attached}
        self._copies_dns = any(one.dns for one in live.interfaces)
        self._interfaces_read_at_s = time.monotonic()

    @property
    def copies_dns(self) -> bool:
        """Whether DNS messages of any interface are copied."""
        return self._copies_dns

    def attached_ifindexes(self) -> frozenset[int]:
        """Of the interfaces that are attached now, to the second."""
        if time.monotonic() - self._interfaces_read_at_s > _FRESH_S:
            with Live(self.pins) as live:
                self._read_interfaces(live)
        return frozenset(self._by_ifindex)

    def owner(self, owner_id: int) -> Owner:
        """The owner's names; UNKNOWN_OWNER where it has none."""
        now_s = time.monotonic()
        if now_s > self._owners_until_s or len(self._owners) >= _OWNERS_KEPT:
            self._owners.clear()
            self._owners_until_s = now_s + _OWNERS_FRESH_S
        known = self._owners.get(owner_id)
        if known is None:
            known = self._owners[owner_id] = self._owner(owner_id)
        return known

    def _owner(self, owner_id: int) -> Owner:
        owner = self._live.owner(owner_id) if owner_id else None
        if owner is None:
            return UNKNOWN_OWNER
        uid = int(owner["uid"])
        return Owner(
            uid,
            self._identities.users.name(uid),
            int(owner["pid"]) or None,
            self._identities.comm(owner),
            self._identities.cgroup(int(owner["cgroup_id"]), self._live.labels.cgroup),
        )

    def interface(self, interface_id: int) -> str | None:
        """The interface of a flow's key; it may have been attached after this was opened."""
        number = interface_id >> 1
        if number not in self._interfaces:
            raw = self._live.map("interface_names").lookup(struct.pack("=I", number))
            if raw is None:
                return None
            self._interfaces[number] = text_of(record_of(raw, INTERFACE_NAME)["name"])
        return self._interfaces[number]

    def interface_at(self, ifindex: int) -> str | None:
        """The attached interface with that index, in the watched network namespace."""
        return self._by_ifindex.get(ifindex)

    def drop(self, location: int, reason: int, facts: int) -> tuple[str | None, str, str]:
        """Reason, function, and kind (loss or housekeeping) of a DROP_KEY."""
        names = self._drops.names((location,))
        why, where = names.reason(reason), names.location(location)
        return why, where, drop_kind(why, where, facts)

    def remote_name(self, address: str, opened_s: float, owner_id: int) -> str | None:
        """The DNS name of a connection's remote end; ``opened_s``: seconds since 1970."""
        return self._remote_names.name(address, opened_s, owner_id)

    def event_counts(self) -> Any:
        """EVENT_COUNTS by [kind], summed over CPUs."""
        return self._live.event_counts()

    def jiffies_now(self) -> int:
        """The kernel's jiffies, within a few."""
        return self._live.jiffies_now()


@contextmanager
def attached(pins: PinDirectory) -> Iterator[Attached]:
    """What is attached there; NotAttachedError, MissingPrivilegeError, LayoutError."""
    with Live(pins) as live, closing(Attached(live)) as opened:
        yield opened


def has_layer(pins: PinDirectory, layer: str) -> bool:
    """Whether a layer of the host is attached."""
    with Live(pins) as live:
        return live.has_layer(layer)


def user_totals(pins: PinDirectory) -> dict[int, tuple[int, int]]:
    """Socket bytes received and sent since attach, by uid; empty without the cgroup layer."""
    with Live(pins) as live:
        owners = live.owners
        if owners is None:
            return {}
        records = owners.records
        groups = Groups(records["uid"].astype(np.uint64)[:, None])
        rx, tx = groups.sum(records["rx_bytes"]), groups.sum(records["tx_bytes"])
        uids = records["uid"][groups.first]
    return {
        int(uid): (int(total_in), int(total_out))
        for uid, total_in, total_out in zip(uids, rx, tx, strict=True)
    }
