# SPDX-License-Identifier: MIT
"""Everything, in short."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from trafficmon.model.parts import Part
from trafficmon.model.sample import Sample
from trafficmon.model.sockets import AF_PACKET, IPPROTO_TCP, NO_RTT_US, SOCK_RAW
from trafficmon.tables.catalogue import TableQuery, table_maker
from trafficmon.tables.drops import lost_packets
from trafficmon.tables.ledger import cgroup_coverage
from trafficmon.tables.query import select
from trafficmon.tables.table import Record
from trafficmon.tui.readings.session import Graph, Session

_TOP = 5


@dataclass(frozen=True)
class Overview:
    """One screen. None: the layer that would know is not there."""

    graphs: dict[str, Graph]
    interfaces: dict[str, Record]
    protocols: list[tuple[str, float]]  # name, share of bytes
    top: dict[str, list[Record]]
    connections: int | None
    rtt_median_us: float | None
    rtt_worst_us: float | None
    retransmits: int | None
    retransmit_percent: float | None  # of the segments that open connections have sent
    drops: int | None
    coverage_percent: float | None


def read_overview(session: Session) -> Overview:
    """One reading of all that it shows."""
    tables = "protocols", "users", "processes", "flows", "hosts"
    sample = session.read(*tables, parts=Part.LAYERS | Part.DROPS)
    owned = ("users", "processes") if sample.owners is not None else ()
    sockets = sample.sockets
    return Overview(
        graphs=session.graphs,
        interfaces={record["interface"]: record for record in session.interfaces},
        protocols=_protocols(sample),
        top={name: _top(session, sample, name) for name in (*owned, "flows", "hosts")},
        connections=None if sockets is None else len(sockets),
        **_tcp(sockets),
        drops=lost_packets(sample) if sample.has_hook("drop") else None,
        coverage_percent=cgroup_coverage(sample),
    )


def _top(session: Session, sample: Sample, name: str) -> list[Record]:
    table = session.with_rates(sample, name)
    selection = select(table, TableQuery(name, _TOP, by_rate=True))
    return [table.record(row) for row in selection.rows.tolist()]


def _protocols(sample: Sample) -> list[tuple[str, float]]:
    table = table_maker("protocols")(sample)
    selection = select(table, TableQuery("protocols", _TOP, "bytes"))
    records = [table.record(row) for row in selection.rows.tolist()]
    whole = float(table.sort_keys["bytes"]().sum()) or 1.0
    return [(str(r["protocol"]), r["bytes"] / whole) for r in records if r["bytes"]]


def _tcp(sockets: Any) -> dict[str, Any]:
    """Of its open connections."""
    names = ("rtt_median_us", "rtt_worst_us", "retransmits", "retransmit_percent")
    if sockets is None:
        return dict.fromkeys(names)
    rows = sockets[(sockets["protocol"] == IPPROTO_TCP) & (sockets["family"] != AF_PACKET)]
    rows = rows[rows["type"] != SOCK_RAW]
    known = rows["srtt_us"][(rows["srtt_us"] > 0) & (rows["srtt_us"] != NO_RTT_US)]
    sent, again = int(rows["socket"]["own"]["tx_packets"].sum()), int(rows["retransmits"].sum())
    return {
        "rtt_median_us": float(np.median(known)) if len(known) else None,
        "rtt_worst_us": float(known.max()) if len(known) else None,
        "retransmits": again,
        "retransmit_percent": 100 * again / sent if sent else None,
    }
