# SPDX-License-Identifier: MIT
"""A shared table with write-back caches in front of it, read as one.

While packets pass, a slot may be written back between our looks at the cache and at the table, and
would then count twice or not at all. So the cache is read before the table and again after it: a
slot with an unchanged sequence number and key is right as first read, and not in the table's
value. What moved is read again, key by key: those looks are microseconds apart, not milliseconds.
A row never has more than was counted, and is exact when no packet passes meanwhile.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trafficmon.libbpf.map import Map
from trafficmon.libbpf.rawmap import RawEntries
from trafficmon.model.flows import COUNTS
from trafficmon.model.groups import Groups, Records, words
from trafficmon.reader.ahead import Looks
from trafficmon.records import slot_key

_TRIES = 16


@dataclass(frozen=True)
class Cache:
    """An array map whose values (``entry``) hold slots, of key, sequence, COUNTS and more."""

    map: Map
    entry: np.dtype[Any]
    slot: np.dtype[Any]

    @property
    def ways(self) -> int:
        """Slots in an entry."""
        return self.entry.itemsize // self.slot.itemsize

    def slots(self, raw: RawEntries | None = None) -> Records:
        """All of them, as they are now, or as they were when ``raw`` was read."""
        return self.map.read_array(self.entry, raw).view(self.slot)

    def slots_of(self, entry: int) -> list[bytes]:
        """Those of one entry."""
        raw, size = self.map.lookup(slot_key(entry)) or b"", self.slot.itemsize
        return [raw[at : at + size] for at in range(0, len(raw), size)]


@dataclass(frozen=True)
class Parts:
    """What the table holds (keys and values, row by row), and the slots to be added to it."""

    keys: Records
    values: Records
    slots: Records
    entries: int  # of the table itself


def read_parts(
    table: Map,
    cache: Cache,
    key: np.dtype[Any],
    value: np.dtype[Any],
    looks: Looks | None = None,
) -> Parts:
    """``table``, of ``key`` and ``value``, and what ``cache`` has for it.

    ``looks``: at both, if they were taken already.
    """
    before = cache.slots(looks.before if looks else None)
    keys, values = table.read_all(key, value, looks.table if looks else None)
    after = cache.slots(looks.after if looks else None)
    parts = Parts(keys, values, before[_has_counts(before)], len(keys))
    moved = _moved(before, after)
    touched = words(np.concatenate([before["key"][moved], after["key"][moved]]))
    touched = touched[touched.any(axis=1)]  # a slot not yet in use has a key of zeroes
    if not len(touched):
        return parts
    return _ReadAgain(table, cache, Groups(touched), before, after).correct(parts)


def _has_counts(slots: Records) -> NDArray[np.bool_]:
    counted: NDArray[np.bool_] = (slots["rx_packets"] | slots["tx_packets"]) != 0
    return counted


def _moved(before: Records, after: Records) -> NDArray[np.bool_]:
    """Where a slot was written back, taken over, or caught in the middle of it."""
    moved: NDArray[np.bool_] = before["sequence"] != after["sequence"]
    moved |= after["sequence"] & 1 == 1
    moved |= (words(before["key"]) != words(after["key"])).any(axis=1)
    return moved


class _ReadAgain:
    """Table and slots for the keys in ``touched`` alone, one key after the other."""

    def __init__(
        self, table: Map, cache: Cache, touched: Groups, before: Records, after: Records
    ) -> None:
        self.table, self.cache, self.touched = table, cache, touched
        looks = np.concatenate([before["key"], after["key"]])
        groups = touched.find(words(looks))
        entries = np.tile(np.arange(len(before)) // cache.ways, 2)
        pairs = np.unique(np.stack([groups, entries])[:, groups >= 0], axis=1)
        self.entries = np.split(pairs[1], np.searchsorted(pairs[0], np.arange(1, len(touched))))
        key, sequence = cache.slot.fields["key"], cache.slot.fields["sequence"]  # type: ignore[index]
        self.key_at = slice(key[1], key[1] + key[0].itemsize)
        self.sequence_at = slice(sequence[1], sequence[1] + sequence[0].itemsize)

    def correct(self, parts: Parts) -> Parts:
        """``parts`` with the rows and slots of these keys as they are now."""
        values = parts.values
        rows = self.touched.find(words(parts.keys))
        row_of = dict(zip(rows[rows >= 0].tolist(), np.flatnonzero(rows >= 0), strict=True))
        others = parts.slots[self.touched.find(words(parts.slots["key"])) < 0]
        new_keys, new_values, slots = [], [], [others.tobytes()]
        for group, (key, raw, held) in enumerate(self._looks()):
            slots += held
            if raw is None:
                continue  # evicted, if it was there: the row stays as it was read
            if group in row_of:
                values[row_of[group]] = np.frombuffer(raw, values.dtype)[0]
            else:
                new_keys.append(key)
                new_values.append(raw)
        return Parts(
            _with(parts.keys, new_keys),
            _with(values, new_values),
            np.frombuffer(b"".join(slots), parts.slots.dtype),
            parts.entries,
        )

    def _looks(self) -> Iterator[tuple[bytes, bytes | None, list[bytes]]]:
        """Of each key: itself, the table's value, and the slots that hold more."""
        keys = np.ascontiguousarray(self.touched.rows)
        for columns, entries in zip(keys, self.entries, strict=True):
            key = columns.tobytes()
            yield key, *self._look(key, entries.tolist())

    def _look(self, key: bytes, entries: list[int]) -> tuple[bytes | None, list[bytes]]:
        """Until nothing moves; at last what did not move, which is less than there is."""
        for _ in range(_TRIES):
            before = [slot for entry in entries for slot in self.cache.slots_of(entry)]
            raw = self.table.lookup(key)
            after = [slot for entry in entries for slot in self.cache.slots_of(entry)]
            pairs = [pair for pair in zip(before, after, strict=True) if self._holds(key, pair)]
            held = [pair[0] for pair in pairs if self._stood_still(pair)]
            if len(held) == len(pairs):
                break
        return raw, held

    def _holds(self, key: bytes, looks: tuple[bytes, bytes]) -> bool:
        return any(look[self.key_at] == key for look in looks)

    def _stood_still(self, looks: tuple[bytes, bytes]) -> bool:
        (key, sequence), (later_key, later_sequence) = (
            (look[self.key_at], look[self.sequence_at]) for look in looks
        )
        is_even = not int.from_bytes(sequence, sys.byteorder) & 1
        return key == later_key and sequence == later_sequence and is_even


def _with(records: Records, more: list[bytes]) -> Records:
    new = np.frombuffer(b"".join(more), records.dtype)
    return np.concatenate([records, new]) if more else records


def add_slots(parts: Parts) -> tuple[Records, Records, Groups | None, NDArray[np.int64]]:
    """The table with the slots' counters added; rows for keys that only a slot has come last.

    Also the groups of the slots and the row of each group, for whatever else has to be joined.
    """
    keys, values = parts.keys, parts.values
    if not len(parts.slots):
        return keys, values, None, np.zeros(0, np.int64)
    groups = Groups(words(parts.slots["key"]))
    rows = np.full(len(groups), -1, np.int64)
    found = groups.find(words(keys))
    rows[found[found >= 0]] = np.flatnonzero(found >= 0)
    lone = np.flatnonzero(rows < 0)
    if len(lone):
        rows[lone] = len(keys) + np.arange(len(lone))
        keys = np.concatenate([keys, parts.slots["key"][groups.first[lone]]])
        values = np.concatenate([values, np.zeros(len(lone), values.dtype)])
    for name in COUNTS:
        values[name][rows] += groups.sum(parts.slots[name])
    return keys, values, groups, rows
