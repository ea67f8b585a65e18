# SPDX-License-Identifier: MIT
"""Samples of pinned maps, shown after these have been closed and their processes have ended."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kernel.owned import Place, connected, exchange
from tests.unit.test_tables_outlive_reading import everything
from trafficmon.pins import PinDirectory
from trafficmon.reader.live import Live
from trafficmon.sources.pinned import PinnedSource
from trafficmon.tables.catalogue import TABLES, parts_of, table_maker

pytestmark = pytest.mark.kernel


OF_OWNERS = ("users", "processes", "cgroups", "connections")


def after_all_has_ended(place: Place, names: list[str]) -> dict[str, Any]:
    """What the tables say when they are made; the same is required of them later."""
    server, client = connected(place)
    exchange(server, client, 30_000, 7_000)
    with PinnedSource(PinDirectory(place.program.pin_dir)) as source:
        sample = source.read(parts_of(*names))
        tables = {name: table_maker(name)(sample) for name in names}
        before = {name: everything(table) for name, table in tables.items()}
    exchange(server, client, 5_000, 5_000)
    place.program.run("detach")
    while place.workers:
        place.workers.pop().end()
    assert {name: everything(table) for name, table in tables.items()} == before
    assert {name: everything(table_maker(name)(sample)) for name in names} == before
    return before


def test_tables_of_the_wire_outlive_reading_and_detach(place: Place) -> None:
    reported = after_all_has_ended(place, [name for name in TABLES if name not in OF_OWNERS])
    assert reported["flows"]["records"]
    assert reported["ports"]["records"]


def test_tables_of_owners_outlive_their_processes(place: Place) -> None:
    with Live(PinDirectory(place.program.pin_dir)) as live:
        if not live.has_hook("sockets"):
            pytest.skip("this kernel loads no iterator over sockets' storage (layer cgroup)")
    reported = after_all_has_ended(place, list(TABLES))
    assert "tm-server" in {row["comm"] for row in reported["processes"]["records"]}


def test_a_closed_reading_refuses(place: Place) -> None:
    with Live(PinDirectory(place.program.pin_dir)) as live:
        live.map("owners")
    requests: list[Any] = [
        lambda: live.map("owners"),
        live.flows,
        live.ledger,
        lambda: live.sockets,
        lambda: live.owners,
        lambda: live.remote_names,
        lambda: live.has_hook("drop"),
        live.jiffies_now,
    ]
    for request in requests:
        with pytest.raises(ValueError, match="closed"):
            request()


def test_a_closed_source_refuses(place: Place) -> None:
    with PinnedSource(PinDirectory(place.program.pin_dir)) as source:
        source.read(parts_of("ports"))
    with pytest.raises(ValueError, match="closed"):
        source.read(parts_of("ports"))
