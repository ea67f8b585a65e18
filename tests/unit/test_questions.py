# SPDX-License-Identifier: MIT
"""What tables can answer is known before they are read, and is what they answer then."""

from __future__ import annotations

import pytest

from tests.tui.fake import FakeSource
from trafficmon.errors import UsageError
from trafficmon.filter.columns import FilterColumns
from trafficmon.filter.errors import FilterError
from trafficmon.filter.evaluate import matches, terms_of
from trafficmon.filter.parser import parse
from trafficmon.filter.vocabulary import EXAMPLES, FAMILIES
from trafficmon.tables.catalogue import TABLES, table_maker
from trafficmon.tables.fields import (
    FILTER_COLUMNS,
    SORT_FIELDS,
    require_filter,
    require_sort,
)
from trafficmon.tables.rates import RATE_FIELDS
from trafficmon.tables.table import Table

TERMS = (*EXAMPLES.values(), *FAMILIES, "dir in", "local port 1", "remote port 1", "local host ::1")


def made(name: str) -> Table:
    source = FakeSource()
    source.readings = 1
    return table_maker(name)(source.reading().sample)


@pytest.mark.parametrize("name", TABLES)
def test_sorting(name: str) -> None:
    table = made(name)
    assert set(SORT_FIELDS[name]) == set(table.sort_keys)
    for field in table.sort_keys:
        require_sort(name, field, has_rates=False)
        require_sort(name, f"-{field}", has_rates=False)
    for rate in RATE_FIELDS:
        require_sort(name, rate, has_rates=True)
        with pytest.raises(UsageError, match="--watch"):
            require_sort(name, rate, has_rates=False)
    with pytest.raises(UsageError, match=r"invalid value for --sort: 'colour' \(choose from "):
        require_sort(name, "colour", has_rates=True)


@pytest.mark.parametrize("name", TABLES)
def test_filtering(name: str) -> None:
    columns = made(name).filter_columns()
    assert FILTER_COLUMNS[name] == columns.names()
    for term in TERMS:
        early = late = None
        try:
            require_filter(name, f"not ({term} or {term})")
        except FilterError as error:
            early = str(error)
        try:
            matches(parse(f"not ({term} or {term})"), columns)
        except FilterError as error:
            late = str(error)
        assert early == late, term


def test_no_filter() -> None:
    assert require_filter("flows", None) is None
    assert terms_of(FilterColumns(table="x", length=0)) == []
