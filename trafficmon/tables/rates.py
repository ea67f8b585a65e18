# SPDX-License-Identifier: MIT
"""Rates: what a table's rows counted since the reading before."""

from __future__ import annotations

import math
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
        self._when: float | None = None
        self.elapsed_s: float | None = None
        """What the latest rates are of: the time from the reading before to the latest."""

    @property
    def read_at_s(self) -> float:
        """When the latest reading was."""
        return self._when or 0.0

    def add_rates(self, table: Table) -> Table:
        """``table`` with the fields of RATE_FIELDS; a row that is new counts from zero.

        Rates of the very first reading are null: there is nothing to compare with. So are those
        that the table has no counters for. The time that has passed is the true one, however long
        a reading took and whatever the pause between two was meant to be.
        """
        now = self._now() if table.read_at_s is None else table.read_at_s
        counters = {name: counter().astype(float) for name, counter in table.rated.items()}
        identity = table.identity()
        self.elapsed_s = None if self._when is None else now - self._when
        rates = self._rates(identity, counters, self.elapsed_s) if self.elapsed_s else {}
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


def _with_rates(table: Table, rates: dict[str, Array], identity: NDArray[np.uint64]) -> Table:
    unknown = np.full(table.length, np.nan)
    rx, tx = rates.get("rx", unknown), rates.get("tx", unknown)
    both = np.where(np.isnan(rx) & np.isnan(tx), np.nan, np.nan_to_num(rx) + np.nan_to_num(tx))
    of_row = {"rx_rate": rx, "tx_rate": tx, "rate": rates.get("both", both)}

    def record(row: int) -> Record:
        told = table.record(row)
        for name in RATE_FIELDS:
            value = float(of_row[name][row])
            told[name] = None if math.isnan(value) else value
        return told

    extra = {name: np.nan_to_num(values) for name, values in of_row.items()}  # to sort by
    return replace(table, record=record, records=None, extra=extra, identity=lambda: identity)
