# SPDX-License-Identifier: MIT
"""Choosing rows: filtered, sorted, cut, as sorted() would."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.sample_builder import SampleBuilder
from trafficmon.errors import UsageError
from trafficmon.filter.columns import FilterColumns
from trafficmon.tables.catalogue import TABLES, table_maker
from trafficmon.tables.query import choose_rows
from trafficmon.tables.table import Table, as_text

KEYS = {
    "u8": st.one_of(st.integers(0, 3), st.integers(0, 2**64 - 1)),
    "i8": st.one_of(st.integers(-2, 2), st.integers(-(2**63), 2**63 - 1)),
    "i4": st.integers(-1, 4),
    "f8": st.one_of(st.integers(-2, 2).map(float), st.floats(allow_nan=False)),
    "U": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=3),
}


def make(keys: Sequence[Any], dtype: str) -> Table:
    return Table(
        name="things",
        fields=("key",),
        length=len(keys),
        sort_keys={
            "key": lambda: as_text(list(keys)) if dtype == "U" else np.array(keys, dtype),
            "row": lambda: np.arange(len(keys)),
        },
        default_sort="key",
        record=lambda row: {"key": keys[row]},
        filter_columns=lambda: FilterColumns(table="things", length=len(keys)),
        identity=lambda: np.arange(len(keys), dtype=np.uint64),
    )


@st.composite
def selections(draw: st.DrawFn) -> tuple[str, list[Any], list[bool] | None, str | None, int | None]:
    dtype = draw(st.sampled_from(list(KEYS)))
    keys = draw(st.lists(KEYS[dtype], max_size=30))
    mask = draw(st.none() | st.lists(st.booleans(), min_size=len(keys), max_size=len(keys)))
    sort = draw(st.sampled_from(["key", "-key", None]))
    return dtype, keys, mask, sort, draw(st.none() | st.integers(0, 35))


@given(selections())
def test_rows_are_chosen_as_sorted_would(
    selection: tuple[str, list[Any], list[bool] | None, str | None, int | None],
) -> None:
    """Numbers come largest first, texts in their order, ties as the table has them."""
    dtype, keys, mask, sort, count = selection
    kept = [row for row in range(len(keys)) if mask is None or mask[row]]
    expected = sorted(kept, key=lambda row: keys[row], reverse=(dtype != "U") != (sort == "-key"))
    array = None if mask is None else np.array(mask, bool)
    chosen = choose_rows(make(keys, dtype), array, sort, count)
    assert chosen == (expected if count is None else expected[:count])
    assert all(type(row) is int for row in chosen)


@pytest.mark.parametrize("dtype", ["u8", "i4", "f8"])
def test_ties_at_the_cut_are_filled_in_the_order_of_the_table(dtype: str) -> None:
    keys = [1, 3, 2, 2, 3, 2, 1]
    assert choose_rows(make(keys, dtype), None, "key", 4) == [1, 4, 2, 3]
    assert choose_rows(make(keys, dtype), None, "-key", 3) == [0, 6, 2]


def test_rates_are_sorted_by_as_fields_are() -> None:
    table = make([1, 2, 3], "u8")
    rated = Table(**{**vars(table), "extra": {"rate": np.array([5.0, 7.0, 6.0])}})
    assert choose_rows(rated, None, "rate", 2) == [1, 2]
    assert choose_rows(rated, None, "-rate", 2) == [0, 2]


@pytest.mark.parametrize(
    ("sort", "hint"),
    [("kye", "; did you mean key?"), ("-rwo", "; did you mean row?"), ("zzz", ""), ("-", "")],
)
def test_what_cannot_be_sorted_by_is_answered_with_what_can(sort: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose_rows(make([1], "u8"), None, sort, None)
    name = sort.removeprefix("-")
    assert str(caught.value) == f"things cannot be sorted by {name!r}; by: key, row{hint}"


def test_texts_of_no_rows_are_an_array_too() -> None:
    assert as_text([]).dtype.kind == "U"
    assert as_text(["b", "ä"]).tolist() == ["b", "ä"]


def test_tables_are_found_by_name() -> None:
    for name in TABLES:
        assert table_maker(name)(SampleBuilder().sample).name == name


def test_an_unknown_table_is_answered_with_the_closest() -> None:
    with pytest.raises(UsageError, match=r"for TABLE: 'flow' \(.*\); did you mean flows\?"):
        table_maker("flow")
    with pytest.raises(UsageError, match=r"'zzz' \(choose from .*drops, dns\)$"):
        table_maker("zzz")
