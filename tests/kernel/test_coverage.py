# SPDX-License-Identifier: MIT
"""Whose the wire's bytes are, of all kinds of traffic at once; and why the rest has no owner."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.kernel.owned import Place, Row, place_of, sums_agree
from tests.lab.cgroup import joined, may_watch_root
from tests.lab.lab import mixed_traffic
from trafficmon.host import cgroups

pytestmark = pytest.mark.kernel

LEAST_PERCENT = 99.9


@contextmanager
def watched(*, root: bool) -> Iterator[Place]:
    """All that this process starts is watched."""
    with place_of(attach=False) as place:
        if root:
            place.cgroup = cgroups.version_2_root() or place.cgroup
            place.attach()
            yield place
            return
        place.attach()
        with joined(place.cgroup):
            yield place


def wire_bytes(row: Row) -> int:
    return int(row["rx_bytes"] + row["tx_bytes"])


def why_unowned(row: Row) -> str:
    if row["protocol"] in ("icmp", "icmpv6") and row["rx_packets"] and row["tx_packets"]:
        return "answered by the kernel"
    if not row["tx_packets"]:
        return "arrived for no socket"
    return "unexplained"


def test_what_has_no_owner_has_a_cause() -> None:
    with watched(root=False) as place:
        mixed_traffic(place.lab)
        rows = place.program.rows("flows")
        sums_agree(place)
    unowned = [row for row in rows if row["comm"] is None]
    unexplained = [row for row in unowned if why_unowned(row) == "unexplained"]
    assert not unexplained, unexplained
    total = sum(map(wire_bytes, rows))
    unattributed = sum(wire_bytes(r) for r in unowned if why_unowned(r) == "arrived for no socket")
    assert 100 * (1 - unattributed / total) >= LEAST_PERCENT


@pytest.mark.skipif(not may_watch_root(), reason="the root cgroup: in VMs only")
def test_coverage_of_the_whole_machine() -> None:
    """There the kernel's own answers are known to be its own."""
    with watched(root=True) as place:
        mixed_traffic(place.lab)
        coverage = place.program.status()["ledger"]["coverage_percent"]
        rows = place.program.rows("flows")
        sums_agree(place)
    assert coverage["tc"] >= LEAST_PERCENT
    assert {row["comm"] for row in rows if row["protocol"] == "icmp"} <= {"kernel", "ping"}
    unowned = [row for row in rows if row["comm"] is None]
    assert [row for row in unowned if why_unowned(row) != "arrived for no socket"] == []
