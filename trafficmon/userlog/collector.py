# SPDX-License-Identifier: MIT
"""From the kernel's tables to entries of the journal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from trafficmon.attachment import readers
from trafficmon.attachment.store import Store
from trafficmon.errors import NotAttachedError
from trafficmon.host import clock, netns
from trafficmon.layout import EVENT_COUNTS, LOG_ROW, FlowFlag, State
from trafficmon.libbpf.ring import RingBuffer
from trafficmon.model.groups import Groups
from trafficmon.pins import PinDirectory
from trafficmon.reader.live import Live
from trafficmon.records import FIRST_KEY, record_of, text_of
from trafficmon.tables.addresses import address_text
from trafficmon.userlog.journal import Entry, Journal
from trafficmon.userlog.programs import LogTables, logging_programs
from trafficmon.userlog.sinks.base import Sink, Totals

_NO_NIC = "none"
_ALL_THAT_FITS = (1 << 24) // LOG_ROW.itemsize
"""Into the ring buffer: so all that was there when we came is taken."""


class Collector:
    """Takes what has passed to the journal, again and again."""

    def __init__(self, store: Store, tables: LogTables, sink: Sink) -> None:
        self._pins, self._store, self._tables = store.pins, store, tables
        self._interfaces = InterfaceNames(
            is_inside=store.is_of_this_namespace(), attached=_attached_names(store)
        )
        self._waiting: list[bytes] = []
        self._ring = RingBuffer(tables.rows, self._waiting.append)
        attached_at_ns = int(store.meta()["attached_at_ns"])
        self.journal = Journal(sink, attached_at_ns, self._count_written)

    def close(self) -> None:
        """Let go of the ring buffer."""
        self._ring.close()

    @property
    def fd(self) -> int:
        """Readable when many rows of packets are waiting."""
        return self._ring.fd

    def take_packets(self, at_ns: int) -> None:
        """Rows of packets, as they come."""
        self.journal.add(self._entries(at_ns))

    def take(self, at_ns: int) -> None:
        """All that has passed until now, and what is missing of users who are at rest.

        The users' totals are read between two looks: who has sent and received nothing between
        these has total and rows of the same moment.
        """
        self.journal.add(self._entries(at_ns))
        totals = self._user_totals()
        entries = self._entries(at_ns)
        self.journal.settle(totals, {entry.uid for entry in entries}, at_ns)
        self.journal.add(entries)

    def _entries(self, at_ns: int) -> list[Entry]:
        """Of the table that ends now; and of packets, which the call has waited for, too."""
        keys, values = self._tables.next_interval()
        entries = [
            self._entry(key, int(value["bytes"]), at_ns)
            for key, value in zip(keys, values, strict=True)
        ]
        self._ring.consume(_ALL_THAT_FITS)
        rows, self._waiting[:] = list(self._waiting), []
        offset_ns = clock.wall_minus_monotonic_ns()
        for raw in rows:
            row = record_of(raw, LOG_ROW)
            entries.append(
                self._entry(row["key"], int(row["bytes"]), int(row["event"]["at_ns"]) + offset_ns)
            )
        return entries

    def _entry(self, key: Any, size: int, at_ns: int) -> Entry:
        flags, ipv6 = int(key["flags"]), bool(key["flags"] & FlowFlag.IPV6)
        source, destination = (
            address_text(key[f"{side}_addr"].tobytes(), ipv6=ipv6) if flags else None
            for side in ("source", "destination")
        )
        nic = self._interfaces.name(int(key["ifindex"]), elsewhere=bool(key["foreign_netns"]))
        return Entry(int(key["uid"]), nic, bool(key["is_rx"]), size, source, destination, at_ns)

    def _user_totals(self) -> dict[int, Totals]:
        with Live(self._pins) as live:
            if live.owners is None:
                return {}
            records = live.owners.records
            groups = Groups(records["uid"].astype(np.uint64)[:, None])
            rx, tx = groups.sum(records["rx_bytes"]), groups.sum(records["tx_bytes"])
            uids = records["uid"][groups.first]
        return {
            int(uid): Totals(int(total_in), int(total_out))
            for uid, total_in, total_out in zip(uids, rx, tx, strict=True)
        }

    def _count_written(self, offered: int, lost: int) -> None:
        """Into the ledger; this kind is counted by us alone."""
        counts = self._store.maps["log_counts"]
        record = record_of(counts.lookup(FIRST_KEY), EVENT_COUNTS)
        record["offered"] += offered
        record["lost"] += lost
        record["delivered"] += offered - lost
        counts.update(FIRST_KEY, record.tobytes())
        readers.publish(self._store, "log_counts")


class InterfaceNames:
    """What the log calls an interface: its name, where it is one of the watched namespace.

    One that has gone, or of another namespace, where the same number is another interface's, goes
    by its number. Outside of the watched namespace only the attached ones are known by name.
    """

    def __init__(self, *, is_inside: bool, attached: Mapping[int, str]) -> None:
        self._is_inside, self._attached = is_inside, attached
        self._known: dict[int, str | None] = {}

    def name(self, ifindex: int, *, elsewhere: bool) -> str:
        """``elsewhere``: the number is of another namespace than the watched one."""
        if not ifindex:
            return _NO_NIC
        if ifindex not in self._known and not elsewhere:
            self._known[ifindex] = self._ask(ifindex)
        known = None if elsewhere else self._known[ifindex]
        return known or f"if{ifindex}"

    def _ask(self, ifindex: int) -> str | None:
        return netns.name_of(ifindex) if self._is_inside else self._attached.get(ifindex)


def _attached_names(store: Store) -> dict[int, str]:
    return {
        int(record["ifindex"]): text_of(record["name"])
        for record in store.interfaces().values()
        if record["state"] == State.ATTACHED
    }


@contextmanager
def collector(pins: PinDirectory, sink: Sink, *, per_packet: bool) -> Iterator[Collector]:
    """The log, while inside."""
    with Live(pins) as live:
        if not live.has_layer("cgroup"):
            raise NotAttachedError(
                "the cgroup layer, which knows users, is not attached; "
                "'trafficmon attach --layer cgroup' adds it"
            )
    with Store.open(pins) as store, logging_programs(store, per_packet=per_packet) as tables:
        made = Collector(store, tables, sink)
        try:
            made.journal.open()
            yield made
        finally:
            made.close()
            sink.close()
