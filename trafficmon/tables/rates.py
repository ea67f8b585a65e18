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
        rates = self._rates(identity, counters, now - self._when)
        order = np.argsort(identity)
        self._identity, self._when = identity[order], now
        self._counters = {name: values[order] for name, values in counters.items()}
        return _with_rates(table, rates)

    def _rates(
        self, identity: NDArray[np.uint64], counters: dict[str, Array], elapsed_s: float
    ) -> dict[str, Array] | None:
        if not self._when:
            return None
        place = np.searchsorted(self._identity, identity)
        place = np.minimum(place, max(0, len(self._identity) - 1))
        known = np.zeros(len(identity), bool)
        if len(self._identity):
            known = self._identity[place] == identity
        rates = {}
        for name, values in counters.items():
            before = np.zeros(len(values))
            before[known] = self._counters[name][place[known]]
            rates[name] = np.maximum(values - before, 0) / elapsed_s
        return rates


def _counter(table: Table, side: str) -> Array:
    """Bytes of one direction as float; of tables without directions all of them as rx."""
    name = f"{side}_bytes"
    if name not in table.sort_keys:
        name = "bytes" if side == "rx" else ""
    if name not in table.sort_keys:
        return np.zeros(table.length)
    return table.sort_keys[name]().astype(float)


def _with_rates(table: Table, rates: dict[str, Array] | None) -> Table:
    def record(row: int) -> Record:
        told = table.record(row)
        for name in RATE_FIELDS:
            told[name] = None if rates is None else float(extra[name][row])
        return told

    zeros = np.zeros(table.length)
    rx, tx = (rates["rx"], rates["tx"]) if rates else (zeros, zeros)
    extra = {"rx_rate": rx, "tx_rate": tx, "rate": rx + tx}
    return replace(table, record=record, extra=extra)
