# SPDX-License-Identifier: MIT
"""Rows with their totals, so that what was written adds up to what the user has in `top users`.

The programs count what passes while they are attached. What passed before, or while no log ran,
or could not be written, is known from the users' own totals: it becomes a row without addresses, at
a moment when the user is at rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from trafficmon.userlog.row import Row
from trafficmon.userlog.sinks.base import Sink, Totals

ANY_NIC = "any"
"""The interface of bytes whose interface is not known."""


@dataclass(frozen=True)
class Entry:
    """A row to be, without totals."""

    uid: int
    nic: str
    is_rx: bool
    size: int
    source: str | None
    destination: str | None
    at_ns: int


@dataclass
class _User:
    written: list[int] = field(default_factory=lambda: [0, 0])  # out, in


class Journal:
    """Keeps totals and hands rows to a sink."""

    def __init__(
        self, sink: Sink, attached_at_ns: int, on_written: Callable[[int, int], None]
    ) -> None:
        self._sink, self._on_written = sink, on_written
        self._users: dict[int, _User] = {}
        self._attached_at_ns = attached_at_ns
        self.failure: OSError | None = None
        """Why rows could not be written, since this was last set to None."""
        self.lost = 0
        """Rows that were not written. Their bytes come later, without addresses."""

    def open(self) -> None:
        """Continue what was written before, of the same attachment."""
        for uid, totals in self._sink.open().items():
            if totals.at_ns >= self._attached_at_ns:
                self._users[uid] = _User([totals.total_out, totals.total_in])

    def add(self, entries: Iterable[Entry]) -> None:
        """Write entries, in order of time.

        A user's on one interface at a time, which a sink takes or leaves: so the totals of each row
        are of rows that have been written.
        """
        groups: dict[tuple[int, str], list[Entry]] = {}
        for entry in sorted(entries, key=_time):
            groups.setdefault((entry.uid, entry.nic), []).append(entry)
        for group in groups.values():
            rows = [self._row(entry) for entry in group]
            left = self._sink.write(rows)
            for row in left:
                self._user(row.uid).written[row.is_rx] -= row.size
            self.lost += len(left)
            if left:
                self.failure = self._sink.failure
            self._on_written(len(rows), len(left))

    def settle(self, totals: dict[int, Totals], busy: set[int], at_ns: int) -> None:
        """Rows for bytes that were in no entry, of users who are not ``busy``."""
        entries = []
        for uid, known in totals.items():
            if uid in busy:
                continue
            written = self._user(uid).written
            for is_rx, total in ((False, known.total_out), (True, known.total_in)):
                if total > written[is_rx]:
                    missing = total - written[is_rx]
                    entries.append(Entry(uid, ANY_NIC, is_rx, missing, None, None, at_ns))
        self.add(entries)

    def _user(self, uid: int) -> _User:
        return self._users.setdefault(uid, _User())

    def _row(self, entry: Entry) -> Row:
        written = self._user(entry.uid).written
        written[entry.is_rx] += entry.size
        return Row(
            entry.uid,
            entry.nic,
            entry.is_rx,
            entry.size,
            entry.source,
            entry.destination,
            entry.at_ns,
            total_in=written[True],
            total_out=written[False],
        )


def _time(entry: Entry) -> int:
    return entry.at_ns
