# SPDX-License-Identifier: MIT
"""Joining records by key, on arrays: what the caches hold, added to what the tables hold."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Records = NDArray[Any]
Hashes = NDArray[np.uint64]

_FIRST_MULTIPLIER = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
_LOW_BITS = np.uint64(0xFFFF)


def words(keys: Records) -> NDArray[np.uint64]:
    """Keys whose size is a multiple of eight bytes, as 64-bit words: shape (n, size / 8)."""
    return np.ascontiguousarray(keys).view(np.uint64).reshape(len(keys), keys.dtype.itemsize // 8)


def hash_words(columns: NDArray[np.uint64], multiplier: int = _FIRST_MULTIPLIER) -> Hashes:
    """One 64-bit hash a row. Equal rows have equal hashes; see ``identify`` for the converse."""
    total = np.zeros(len(columns), np.uint64)
    factor = multiplier
    for column in columns.T:
        factor = (factor * 0xD1342543DE82EF95 + 0x2545F4914F6CDD1D) & _MASK
        mixed = (column ^ (column >> np.uint64(29))) * np.uint64(factor | 1)
        total += mixed ^ (mixed >> np.uint64(32))
    total *= np.uint64(multiplier)
    return total ^ (total >> np.uint64(29))


class Groups:
    """Equal rows of ``columns`` put together.

    ``rows``: the row that each group stands for; ``first``: an index of it in ``columns``;
    ``of_row``: the group of each row of ``columns``.
    """

    def __init__(self, columns: NDArray[np.uint64]) -> None:
        multiplier = _FIRST_MULTIPLIER
        while True:
            hashes = hash_words(columns, multiplier)
            self.hashes, self.first, self.of_row = np.unique(
                hashes, return_index=True, return_inverse=True
            )
            self.rows = columns[self.first]
            if np.array_equal(columns, self.rows[self.of_row]):
                self.multiplier = multiplier
                return
            multiplier = (multiplier * 6364136223846793005 + 1) & _MASK | 1  # two keys, one hash

    def __len__(self) -> int:
        return len(self.first)

    def sum(self, values: NDArray[Any]) -> NDArray[np.uint64]:
        """Exact sums of ``values`` by group (bincount would go through floating point)."""
        totals = np.zeros(len(self), np.uint64)
        np.add.at(totals, self.of_row, values.astype(np.uint64, copy=False))
        return totals

    def maximum(self, values: NDArray[Any]) -> NDArray[np.uint64]:
        """Largest of ``values`` by group."""
        largest = np.zeros(len(self), np.uint64)
        np.maximum.at(largest, self.of_row, values.astype(np.uint64, copy=False))
        return largest

    def minimum(self, values: NDArray[Any]) -> NDArray[np.uint64]:
        """Smallest of ``values`` by group."""
        smallest = np.full(len(self), _MASK, np.uint64)
        np.minimum.at(smallest, self.of_row, values.astype(np.uint64, copy=False))
        return smallest

    def find(self, columns: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The group of each row of other ``columns``; -1 where there is none."""
        if not len(self) or not len(columns):
            return np.full(len(columns), -1, np.int64)
        hashes = hash_words(columns, self.multiplier)
        # Mostly few of many rows are looked for. So a look at 16 bits of the hash comes first, and
        # only what passes is searched for; whole keys are compared where whole hashes are equal.
        is_there = np.zeros(1 << 16, bool)
        is_there[self.hashes & _LOW_BITS] = True
        rows = np.flatnonzero(is_there[hashes & _LOW_BITS])
        place = np.minimum(np.searchsorted(self.hashes, hashes[rows]), len(self) - 1)
        alike = self.hashes[place] == hashes[rows]
        rows, place = rows[alike], place[alike]
        is_it = (self.rows[place] == columns[rows]).all(axis=1)
        found = np.full(len(columns), -1, np.int64)
        found[rows[is_it]] = place[is_it]
        return found
