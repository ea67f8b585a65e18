# SPDX-License-Identifier: MIT
"""Tables with the rates of their rows."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from trafficmon.model.rates import Counted, RateMeter
from trafficmon.tables.table import Array, Record, Table

RATE_FIELDS = ("rx_rate", "tx_rate", "rate")


def counted(table: Table, now_s: float, counters: Mapping[str, Array] | None = None) -> Counted:
    """What rates of the table's rows are made of; ``counters``: others than those it is rated by.

    ``now_s``: for tables that do not say when they were read.
    """
    at_s = now_s if table.read_at_s is None else table.read_at_s
    if counters is None:
        counters = {name: counter() for name, counter in table.rated.items()}
    return Counted(table.identity(), counters, at_s, table.epoch)


class RateKeeper(RateMeter):
    """The meter of one table; ``now``: a clock for tables that do not say when they were read."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now

    def add_rates(self, table: Table) -> Table:
        """``table`` with the fields of RATE_FIELDS, in bytes per second; see RateMeter."""
        now = counted(table, self._now())
        rates = self.rates(now)
        unknown = np.full(table.length, np.nan)
        rx, tx = rates.get("rx", unknown), rates.get("tx", unknown)
        both = np.where(np.isnan(rx) & np.isnan(tx), np.nan, np.nan_to_num(rx) + np.nan_to_num(tx))
        of_row = {"rx_rate": rx, "tx_rate": tx, "rate": rates.get("both", both)}
        return _with(replace(table, identity=lambda: now.identity), of_row)


def _with(table: Table, of_row: dict[str, Array]) -> Table:
    def record(row: int) -> Record:
        made = table.record(row)
        for name in RATE_FIELDS:
            value = float(of_row[name][row])
            made[name] = None if math.isnan(value) else value
        return made

    extra = {name: np.nan_to_num(values) for name, values in of_row.items()}  # to sort by
    return replace(table, record=record, records=None, extra=extra)
