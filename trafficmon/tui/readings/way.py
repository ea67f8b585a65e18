# SPDX-License-Identifier: MIT
"""A packet's way through the layers: what each counts a second, and what is lost in between."""

from __future__ import annotations

from dataclasses import dataclass

from trafficmon.model.sample import Sample
from trafficmon.tables.catalogue import table_maker
from trafficmon.tables.table import Record, choose_rows
from trafficmon.tui.readings.session import Session

COUNTS = ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes")
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
class Way:
    """Stages from the wire up. ``drops``: the kernel's, with ``rate`` in packets a second.

    ``drops`` is None where nothing counts them.
    """

    stages: list[Stage]
    drops: list[Record] | None
    drop_rate: float | None


class WayReader:
    """Remembers the counters of the reading before."""

    def __init__(self) -> None:
        self._before: dict[str, dict[str, int | None]] = {}
        self._drops_before: dict[tuple[str, str], int] = {}
        self._when: float | None = None

    def read(self, session: Session) -> Way:
        """One reading."""
        sample = session.read("layers", "drops")
        table = table_maker("layers")(sample)
        records = [table.record(row) for row in range(table.length)]
        drops = _drops(sample)
        now = session.now()
        elapsed_s = None if self._when is None else now - self._when
        self._when = now
        stages = [self._stage(record, elapsed_s) for record in records]
        self._before = {stage.name: stage.totals for stage in stages}
        rate = None if drops is None else self._rate(drops, elapsed_s)
        return Way(stages, None if drops is None else drops[:_TOP_DROPS], rate)

    def _stage(self, record: Record, elapsed_s: float | None) -> Stage:
        totals = {name: record[name] for name in COUNTS}
        before = self._before.get(record["layer"], {})
        rates = {name: _per_s(totals[name], before.get(name), elapsed_s) for name in COUNTS}
        less = [record[f"{way}_packets_difference"] for way in ("rx", "tx")]
        fewer = [None if number is None else -number for number in less]
        return Stage(record["layer"], totals, rates, (fewer[0], fewer[1]), record["causes"])

    def _rate(self, drops: list[Record], elapsed_s: float | None) -> float | None:
        """Sets ``rate`` of each, and tells that of all."""
        keys = [(str(one["reason"]), str(one["location"])) for one in drops]
        for key, drop in zip(keys, drops, strict=True):
            drop["rate"] = _per_s(drop["packets"], self._drops_before.get(key, 0), elapsed_s)
        self._drops_before = dict(zip(keys, (drop["packets"] for drop in drops), strict=True))
        return None if elapsed_s is None else sum(drop["rate"] or 0.0 for drop in drops)


def _per_s(now: int | None, before: int | None, elapsed_s: float | None) -> float | None:
    if now is None or before is None or not elapsed_s:
        return None
    return max(0, now - before) / elapsed_s


def _drops(sample: Sample) -> list[Record] | None:
    if not sample.has_hook("drop"):
        return None
    table = table_maker("drops")(sample)
    return [table.record(row) for row in choose_rows(table, None, "packets", None)]
