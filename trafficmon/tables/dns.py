# SPDX-License-Identifier: MIT
"""Names that were asked for, with how it went and how long it took."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from trafficmon.filter.columns import FilterColumns
from trafficmon.reader.live import Live
from trafficmon.tables.table import Array, Record, Table, as_text
from trafficmon.tables.times import time_text

_COUNTS = ("queries", "responses", "nxdomain", "servfail")
_64_BITS = 0xFFFF_FFFF_FFFF_FFFF
FIELDS = ("name", "type", *_COUNTS, "latency_us", "last_seen", "kind")
LATENCY_LABELS = ("p50", "p99")


def dns_table(live: Live) -> Table:
    """One row a name and type; latencies are of the latest 512 answers whose question was seen."""
    rows = live.dns_book.names() if live.dns_book is not None else []
    numbers = np.array([[getattr(c, name) for name in _COUNTS] for _, c in rows], np.int64)
    numbers = numbers.reshape(len(rows), len(_COUNTS))
    last_seen = np.array([counts.last_seen for _, counts in rows])

    def record(row: int) -> Record:
        (kind, name, type_), counts = rows[row]
        return {
            "name": name,
            "type": type_ or None,
            **{field: getattr(counts, field) for field in _COUNTS},
            "latency_us": _percentiles(np.array(counts.latencies_us)),
            "last_seen": time_text(counts.last_seen),
            "kind": kind,
        }

    return Table(
        name="dns",
        fields=FIELDS,
        length=len(rows),
        sort_keys={
            **{field: partial(_column, numbers, place) for place, field in enumerate(_COUNTS)},
            "name": lambda: as_text([name for (_, name, _), _ in rows]),
            "type": lambda: as_text([type_ for (_, _, type_), _ in rows]),
            "kind": lambda: as_text([kind for (kind, _, _), _ in rows]),
            "latency_us": lambda: np.array([_median(c.latencies_us) for _, c in rows]),
            "last_seen": lambda: last_seen,
        },
        default_sort="queries",
        record=record,
        filter_columns=lambda: FilterColumns(table="dns", length=len(rows)),
        identity=lambda: identities_of(rows),
    )


def identities_of(rows: Sequence[tuple[object, object]]) -> Array:
    """By what was asked for; the place among the rows is another one when names come and go."""
    return np.array([hash(key) & _64_BITS for key, _ in rows], np.uint64)


def _column(numbers: Array, place: int) -> Array:
    return numbers[:, place]


def _median(latencies: object) -> float:
    values = np.asarray(latencies)
    return float(np.median(values)) if len(values) else -1.0


def _percentiles(latencies: Array) -> dict[str, int | None]:
    if not len(latencies):
        return dict.fromkeys(LATENCY_LABELS)
    p50, p99 = np.percentile(latencies, (50, 99), method="nearest")
    return {"p50": int(p50), "p99": int(p99)}
