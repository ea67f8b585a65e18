# SPDX-License-Identifier: MIT
"""A shared table with write-back caches in front of it, read as one.

While packets pass, a slot may be written back between our looks at the table and at the cache, and
would then count twice or not at all. Its sequence number tells; the keys concerned are read again.
When no packet passes meanwhile, the result is exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trafficmon.libbpf.map import Map
from trafficmon.reader.merge import Groups, Records, words

COUNTERS = ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes")
_ROUNDS = 4


@dataclass(frozen=True)
class Parts:
    """What the table holds (keys and values, row by row), and the slots to be added to it."""

    keys: Records
    values: Records
    slots: Records
    entries: int  # of the table itself


def read_parts(
    table: Map, read_slots: Callable[[], Records], key: np.dtype[Any], value: np.dtype[Any]
) -> Parts:
    """``read_slots``: the caches as they are now, of a dtype with key, sequence and COUNTERS."""
    before = read_slots()
    keys, values = table.read_all(key, value)
    entries = len(keys)
    after = read_slots()
    held = _with_counts(after)
    moved = _moved(before, after)
    for _ in range(_ROUNDS):
        if not len(moved):
            break
        touched = Groups(words(moved))
        before = read_slots()
        keys, values = _read_again(table, keys, values, moved[touched.first])
        after = read_slots()
        others = held[touched.find(words(held["key"])) < 0]
        held = np.concatenate([others, _with_counts(_of(after, touched))])
        concerned = (touched.find(words(before["key"])) >= 0) | (
            touched.find(words(after["key"])) >= 0
        )
        moved = _moved(before[concerned], after[concerned])
    return Parts(keys, values, held, entries)


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
    for name in COUNTERS:
        values[name][rows] += groups.sum(parts.slots[name])
    return keys, values, groups, rows


def _with_counts(slots: Records) -> Records:
    return slots[(slots["rx_packets"] | slots["tx_packets"]) != 0]


def _moved(before: Records, after: Records) -> Records:
    """The keys of slots that were written back, taken over, or caught in the middle of it."""
    changed = (before["sequence"] != after["sequence"]) | (after["sequence"] & 1 == 1)
    return np.concatenate([before["key"][changed], after["key"][changed]])


def _of(slots: Records, keys: Groups) -> Records:
    return slots[keys.find(words(slots["key"])) >= 0]


def _read_again(
    table: Map, keys: Records, values: Records, wanted: Records
) -> tuple[Records, Records]:
    groups = Groups(words(wanted))
    rows = groups.find(words(keys))
    place = {int(group): row for row, group in zip(*_known(rows), strict=True)}
    new_keys, new_values = [], []
    for group, first in enumerate(groups.first):
        raw = table.lookup(wanted[first].tobytes())
        if raw is None:
            continue
        value = np.frombuffer(raw, values.dtype)[0]
        if group in place:
            values[place[group]] = value
        else:
            new_keys.append(wanted[first])
            new_values.append(value)
    if not new_keys:
        return keys, values
    return (
        np.concatenate([keys, np.array(new_keys, keys.dtype)]),
        np.concatenate([values, np.array(new_values, values.dtype)]),
    )


def _known(rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    present = np.flatnonzero(rows >= 0)
    return present, rows[present]
