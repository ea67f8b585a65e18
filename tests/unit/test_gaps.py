# SPDX-License-Identifier: MIT
"""Rows from which something is missing say so."""

from __future__ import annotations

import pytest

from tests.unit.sample_builder import SampleBuilder
from trafficmon.tables.catalogue import table_maker


@pytest.fixture
def fake() -> SampleBuilder:
    made = SampleBuilder()
    made.interface(0, "eth0")
    made.flow("10.0.0.2", "192.0.2.7", ports=(22, 4000), rx=(5, 500), tx=(3, 300))
    return made


def hosts(fake: SampleBuilder) -> tuple[list[bool], str]:
    table = table_maker("hosts")(fake.sample)
    return [table.record(row)["complete"] for row in range(table.length)], " ".join(table.notes)


def test_as_many_entries_as_inserts_are_complete(fake: SampleBuilder) -> None:
    fake.losses = fake.losses._replace(flow_inserts=1)
    assert hosts(fake) == ([True], "")
    assert table_maker("flows")(fake.sample).notes == ()


@pytest.mark.parametrize("losses", [{"flow_inserts": 2}, {"flow_insert_failures": 1}])
def test_one_flow_that_is_gone_makes_hosts_incomplete(
    fake: SampleBuilder, losses: dict[str, int]
) -> None:
    fake.losses = fake.losses._replace(**losses)
    complete, note = hosts(fake)
    assert complete == [False]
    assert note.startswith("1 flows had to give way")
    assert "--max-flows" in note
    assert table_maker("flows")(fake.sample).notes == (note,)


@pytest.mark.parametrize("name", ["ports", "protocols"])
def test_services_without_room(fake: SampleBuilder, name: str) -> None:
    assert table_maker(name)(fake.sample).notes == ()
    fake.losses = fake.losses._replace(service_insert_failures=1234)
    (note,) = table_maker(name)(fake.sample).notes
    assert note.startswith("1,234 packets are in no row")


def test_processes_without_room_are_noted_where_they_are_missing(fake: SampleBuilder) -> None:
    fake.socket(5)
    assert table_maker("processes")(fake.sample).notes == ()
    fake.layer_counters["owner_insert_failures"][0] = 3
    (note,) = table_maker("processes")(fake.sample).notes
    assert note.startswith("3 times there was no room for a process")
    assert table_maker("users")(fake.sample).notes == ()
    assert table_maker("cgroups")(fake.sample).notes == ()
