# SPDX-License-Identifier: MIT
"""DNS names that were queried, with response codes and latencies."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from trafficmon.filter.columns import FilterColumns
from trafficmon.model.dns import NameCounts
from trafficmon.model.sample import Sample
from trafficmon.tables.gaps import of_names
from trafficmon.tables.table import Array, Record, Table, as_text
from trafficmon.tables.times import time_text

_QUERIES = ("queries", "responses")
_ERRORS = {
    "nxdomain": "NXDOMAIN",
    "servfail": "SERVFAIL",
    "refused": "REFUSED",
    "formerr": "FORMERR",
}
_64_BITS = 0xFFFF_FFFF_FFFF_FFFF
_COUNTS = (*_QUERIES, *_ERRORS, "other_errors")
FIELDS = (
    "name",
    "type",
    *_COUNTS[:4],
    "latency_us",
    "last_seen",
    "kind",
    *_COUNTS[4:],
    "rcodes",
)
LATENCY_LABELS = ("p50", "p99")


def dns_table(sample: Sample) -> Table:
    """One row a name and type; latencies are of the latest 512 answers to queries that were seen.

    ``rcodes`` counts all responses by their code (RFC 6895, 2.3), also those without an error.
    """
    rows = sample.dns.names
    numbers = np.array([_counts(counts) for _, counts in rows], np.int64)
    numbers = numbers.reshape(len(rows), len(_COUNTS))
    last_seen = np.array([counts.last_seen for _, counts in rows])

    def record(row: int) -> Record:
        (kind, name, type_), counts = rows[row]
        return {
            "name": name,
            "type": type_ or None,
            **dict(zip(_COUNTS[:4], _counts(counts), strict=False)),
            "latency_us": _percentiles(np.array(counts.latencies_us)),
            "last_seen": time_text(counts.last_seen),
            "kind": kind,
            **dict(zip(_COUNTS[4:], _counts(counts)[4:], strict=True)),
            "rcodes": dict(counts.rcodes.most_common()),
        }

    return Table(
        name="dns",
        notes=of_names(sample),
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
    """By name and type; a row's place changes when other names come and go."""
    return np.array([hash(key) & _64_BITS for key, _ in rows], np.uint64)


def _counts(counts: NameCounts) -> list[int]:
    """By _COUNTS."""
    errors = [counts.rcodes[code] for code in _ERRORS.values()]
    others = counts.rcodes.total() - counts.rcodes["NOERROR"] - sum(errors)
    return [counts.queries, counts.responses, *errors, others]


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
