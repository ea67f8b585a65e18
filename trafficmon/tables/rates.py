# SPDX-License-Identifier: MIT
"""Rates: what a table's rows counted since the reading before."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from trafficmon.tables.table import Array, Record, Table

RATE_FIELDS = ("rx_rate", "tx_rate", "rate")


class RateKeeper:
    """Remembers a table's counters by row, and tells bytes per second at the next reading."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._identity: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._counters: dict[str, Array] = {}
        self._when = 0.0

    def add_rates(self, table: Table) -> Table:
        """``table`` with the fields of RATE_FIELDS; a row that is new counts from zero.

        Rates of the very first reading are null: there is nothing to compare with.
        """
        now = self._now()
        counters = {name: _counter(table, name) for name in ("rx", "tx")}
        identity = table.identity()
        rates = self._rates(identity, counters, now - self._when) if self._when else None
        self._identity, self._counters, self._when = identity, counters, now
        return _with_rates(table, rates, identity)

    def _rates(
        self, identity: NDArray[np.uint64], counters: dict[str, Array], elapsed_s: float
    ) -> dict[str, Array]:
        if np.array_equal(identity, self._identity):  # as it is from second to second
            before = self._counters
        else:
            before = self._before(identity)
        return {
            name: np.maximum(values - before[name], 0) / elapsed_s
            for name, values in counters.items()
        }

    def _before(self, identity: NDArray[np.uint64]) -> dict[str, Array]:
        """The counters of the reading before, in the order of ``identity``; 0 for a new row."""
        before = {name: np.zeros(len(identity)) for name in self._counters}
        if not len(self._identity):
            return before
        order = np.argsort(self._identity)
        ordered = self._identity[order]
        place = np.minimum(np.searchsorted(ordered, identity), len(ordered) - 1)
        known = ordered[place] == identity
        for name, values in self._counters.items():
            before[name][known] = values[order[place[known]]]
        return before


def _counter(table: Table, side: str) -> Array:
    """Bytes of one direction as float; of tables without directions all of them as rx."""
    name = f"{side}_bytes"
    if name not in table.sort_keys:
        name = "bytes" if side == "rx" else ""
    if name not in table.sort_keys:
        return np.zeros(table.length)
    return table.sort_keys[name]().astype(float)


def _with_rates(
    table: Table, rates: dict[str, Array] | None, identity: NDArray[np.uint64]
) -> Table:
    def record(row: int) -> Record:
        told = table.record(row)
        for name in RATE_FIELDS:
            told[name] = None if rates is None else float(extra[name][row])
        return told

    zeros = np.zeros(table.length)
    rx, tx = (rates["rx"], rates["tx"]) if rates else (zeros, zeros)
    extra = {"rx_rate": rx, "tx_rate": tx, "rate": rx + tx}
    return replace(table, record=record, extra=extra, identity=lambda: identity)
