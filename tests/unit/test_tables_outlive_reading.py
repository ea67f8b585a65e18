# SPDX-License-Identifier: MIT
"""A table that has been made needs its reading no more, and goes on saying what it said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.tui.fake import FakeSource
from tests.unit.fake_live import FakeLive
from trafficmon.model.names import ProcessName
from trafficmon.tables import names
from trafficmon.tables.catalogue import TABLES, table_maker
from trafficmon.tables.rates import RateKeeper
from trafficmon.tables.table import Table


class Closing(FakeLive):
    """A reading of which nothing can be had any more, once it is closed."""

    is_closed = False

    def __getattribute__(self, name: str) -> Any:
        if object.__getattribute__(self, "is_closed"):
            raise ValueError("the reading is closed")
        return object.__getattribute__(self, name)


class Elsewhere:
    """What the system says of names; all of it is something else once ``has_changed``."""

    def __init__(self) -> None:
        self.has_changed = False

    def _said(self, text: str) -> str | None:
        return None if self.has_changed else text

    def name(self, number: int, started_ns: int | None = None) -> Any:
        if started_ns is None:
            return self._said(f"user{number}")
        return ProcessName(self._said("now"), self._said("/bin/now"), self._said("now -x"))

    def running(self) -> frozenset[int]:
        return frozenset() if self.has_changed else frozenset({99_999_998})

    def remembered(self, *_: int) -> ProcessName | None:
        return ProcessName("other", None, None) if self.has_changed else None

    def path(self, number: int) -> str | None:
        return self._said(f"/there/{number}")


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
    }


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Elsewhere:
    made = Elsewhere()
    for place in ("_users", "_processes", "_cgroups"):
        monkeypatch.setattr(names, place, lambda: made)
    return made


def reading() -> Closing:
    """As the dashboard's tests have it, of that class."""
    source = FakeSource()
    source.readings = 1
    made = source.reading()
    made.__class__ = Closing
    assert isinstance(made, Closing)
    return made


@pytest.mark.parametrize("name", TABLES)
def test_a_table_outlives_its_reading(name: str, elsewhere: Elsewhere) -> None:
    known, closing = reading(), reading()
    before = everything(table_maker(name)(known.live))
    table = RateKeeper().add_rates(table_maker(name)(closing.live))
    plain = table_maker(name)(closing.live)
    closing.is_closed = True
    elsewhere.has_changed = True
    assert everything(plain) == before
    assert [row["rate"] for row in everything(table)["records"]] == [None] * table.length


def test_it_is_made_of_what_there_is(elsewhere: Elsewhere) -> None:
    """What the test above compares is not empty."""
    told = {name: everything(table_maker(name)(reading().live)) for name in TABLES}
    assert not [name for name in TABLES if not told[name]["records"] and name != "dns"]
    assert {row["comm"] for row in told["flows"]["records"]} > {"now"}
    assert {row["exe"] for row in told["processes"]["records"]} > {"/bin/now"}
    assert {row["path"] for row in told["cgroups"]["records"]} > {"/there/900001"}
    assert {row["user"] for row in told["users"]["records"]} == {"user0", "user1000"}
