# SPDX-License-Identifier: MIT
"""Packets through the layers: what each layer counts a second, and the drops between them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from trafficmon.model.flows import COUNTS
from trafficmon.model.rates import Counted
from trafficmon.model.sample import Sample
from trafficmon.tables.catalogue import TableQuery, table_maker
from trafficmon.tables.query import select
from trafficmon.tables.rates import counted
from trafficmon.tables.table import Record, Table, or_nan
from trafficmon.tui.readings.session import Session

_TOP_DROPS = 8


@dataclass(frozen=True)
class Stage:
    """A layer. ``rates`` a second by COUNTS; None where it does not count, or not yet known.

    ``less_packets``: how many fewer packets than the layer below it has counted since attach, in
    and out; ``causes`` why.
    """

    name: str
    totals: dict[str, int | None]
    rates: dict[str, float | None]
    less_packets: tuple[int | None, int | None]
    causes: str | None


@dataclass(frozen=True)
class LayersPicture:
    """Stages from the wire up. ``drops``: the kernel's, with ``rate`` in packets a second.

    ``drops`` is None where nothing counts them.
    """

    stages: list[Stage]
    drops: list[Record] | None
    drop_rate: float | None


def read_layers(session: Session) -> LayersPicture:
    """One reading."""
    sample, now_s = session.read("layers", "drops"), session.now()
    table = table_maker("layers")(sample)
    rates = session.meter("layers", _of_layers).rates(_of_layers(table, now_s))
    stages = [
        _stage(table.record(row), {name: _or_none(rates[name][row]) for name in COUNTS})
        for row in range(table.length)
    ]
    if not sample.has_hook("drop"):
        return LayersPicture(stages, None, None)
    drops, rate = _read_drops(session, sample, now_s)
    return LayersPicture(stages, drops[:_TOP_DROPS], rate)


def _of_layers(table: Table, now_s: float) -> Counted:
    records = [table.record(row) for row in range(table.length)]
    counters = {name: or_nan([record[name] for record in records]) for name in COUNTS}
    return counted(table, now_s, counters)


def _of_drops(table: Table, now_s: float) -> Counted:
    return counted(table, now_s, {"packets": table.sort_keys["packets"]()})


def _read_drops(
    session: Session, sample: Sample, now_s: float
) -> tuple[list[Record], float | None]:
    """Rows with their ``rate``, most packets first; and the rate of all."""
    meter, table = session.meter("drops", _of_drops), table_maker("drops")(sample)
    rates = meter.rates(_of_drops(table, now_s))["packets"]
    rows = select(table, TableQuery("drops", sort="packets")).rows.tolist()
    drops = [table.record(row) | {"rate": _or_none(rates[row])} for row in rows]
    return drops, None if meter.elapsed_s is None else float(rates.sum())


def _stage(record: Record, rates: dict[str, float | None]) -> Stage:
    less = [record[f"{way}_packets_difference"] for way in ("rx", "tx")]
    fewer = [None if number is None else -number for number in less]
    totals = {name: record[name] for name in COUNTS}
    return Stage(record["layer"], totals, rates, (fewer[0], fewer[1]), record["causes"])


def _or_none(rate: float) -> float | None:
    return None if math.isnan(rate) else float(rate)
