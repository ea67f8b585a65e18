# SPDX-License-Identifier: MIT
"""What is shown of each table is in its records."""

from __future__ import annotations

import pytest

from tests.unit.sample_builder import SampleBuilder
from trafficmon.render.shown import COLUMNS, rate_columns
from trafficmon.tables.catalogue import TABLES, table_maker
from trafficmon.tables.dns import LATENCY_LABELS
from trafficmon.tables.rates import RATE_FIELDS


def test_every_table_has_columns() -> None:
    assert COLUMNS.keys() == TABLES.keys()


@pytest.mark.parametrize("name", list(TABLES))
def test_every_column_is_a_field_and_one_of_them_stays(name: str) -> None:
    fields = _with_parts(name, table_maker(name)(SampleBuilder().sample).fields)
    shown = [column.name for column in COLUMNS[name]]
    assert set(shown) <= set(fields)
    assert len(set(shown)) == len(shown)
    assert len(set(fields)) == len(fields)
    assert [column.priority for column in COLUMNS[name]].count(0) == 1


def _with_parts(table: str, fields: tuple[str, ...]) -> tuple[str, ...]:
    """A nested value's parts are shown by themselves."""
    parts = tuple(f"latency_us_{label}" for label in LATENCY_LABELS)
    return (*fields, *parts) if table == "dns" else fields


@pytest.mark.parametrize("name", list(TABLES))
def test_rates_are_fields_that_watching_adds(name: str) -> None:
    """In two directions where the table has these, else in one column or in none."""
    shown = [
        column.name for column in rate_columns(table_maker(name)(SampleBuilder().sample).rated)
    ]
    assert set(shown) <= set(RATE_FIELDS)
    assert shown == {"drops": ["rate"], "dns": []}.get(name, ["rx_rate", "tx_rate"])
