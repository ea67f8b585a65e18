# SPDX-License-Identifier: MIT
"""A table is made of its sample alone, and a sample of data alone."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from tests.tui.fake import FakeSource
from tests.unit.sample_builder import BuiltSource
from trafficmon.model.names import ProcessName
from trafficmon.model.parts import Part
from trafficmon.model.sample import MissingPartError, Sample
from trafficmon.model.verdicts import ALIVE, Findings
from trafficmon.tables.catalogue import TABLES, parts_of, table_maker
from trafficmon.tables.rates import RateKeeper
from trafficmon.tables.status import STATUS_PARTS, status_record
from trafficmon.tables.table import Table

EVERY = parts_of(*TABLES) | STATUS_PARTS


def everything(table: Table) -> dict[str, Any]:
    """All that can be had of a table."""
    columns = table.filter_columns()
    return {
        "records": [table.record(row) for row in range(table.length)],
        "sorted by": {name: key().tolist() for name, key in table.sort_keys.items()},
        "filtered by": {
            name: np.array(getattr(columns, name)).tolist() for name in type(columns).__slots__
        },
        "identity": table.identity().tolist(),
        "notes": table.notes,
    }


def sample(parts: Part = EVERY) -> Sample:
    """As the dashboard's tests have it, with a process that runs."""
    source = FakeSource()

    source.readings = 1
    made = source.reading()
    made.findings = Findings({}, dict.fromkeys(made.hooks, ALIVE))
    made.processes[1] = ProcessName("now", "/bin/now", "now -x")
    return BuiltSource(lambda: made).read(parts)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_a_pickled_sample_is_the_same(name: str) -> None:
    whole = sample()
    table = table_maker(name)(whole)
    before = everything(table)
    again = pickle.loads(pickle.dumps(whole))
    assert "socket_index" not in vars(again), "what a table derives is not part of the sample"
    assert everything(table_maker(name)(again)) == before
    rated = RateKeeper().add_rates(table_maker(name)(again))
    assert [row["rate"] for row in everything(rated)["records"]] == [None] * table.length


def test_status_of_a_pickled_sample_is_the_same() -> None:
    whole = sample()
    assert status_record(pickle.loads(pickle.dumps(whole))) == status_record(whole)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_needs_no_part_that_it_does_not_declare(name: str) -> None:
    assert everything(table_maker(name)(sample(parts_of(name)))) == everything(
        table_maker(name)(sample())
    )


def test_status_needs_no_part_that_it_does_not_declare() -> None:
    assert status_record(sample(STATUS_PARTS)) == status_record(sample())


def test_a_part_that_is_not_held_is_named() -> None:
    few = sample(parts_of("ports"))
    assert Part.FLOWS not in few.parts
    with pytest.raises(MissingPartError, match=r"holds no FLOWS; read it with Part\.FLOWS"):
        table_maker("flows")(few)


def test_nothing_can_be_changed_in_a_sample() -> None:
    samples: list[Any] = [sample(), pickle.loads(pickle.dumps(sample()))]
    for whole in samples:
        with pytest.raises(ValueError, match="read-only"):
            whole.flows.values["rx_bytes"] = 0
        with pytest.raises(ValueError, match="read-only"):
            whole.hook_counters["bytes"] = 0
        with pytest.raises(AttributeError):
            whole.attachment = None


def test_it_is_made_of_what_there_is() -> None:
    """What the tests above compare is not empty."""
    reported = {name: everything(table_maker(name)(sample())) for name in TABLES}
    assert not [name for name in TABLES if not reported[name]["records"] and name != "dns"]
    assert {row["comm"] for row in reported["flows"]["records"]} > {"now"}
    assert {row["exe"] for row in reported["processes"]["records"]} > {"/bin/now"}
    assert {row["user"] for row in reported["users"]["records"]} == {"root", None}
