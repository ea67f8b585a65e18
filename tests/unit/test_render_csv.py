# SPDX-License-Identifier: MIT
"""Records as CSV."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trafficmon.render.csvout import Nested, write_csv


def written(columns: Sequence[str | Nested], *records: Mapping[str, object]) -> str:
    stream = io.StringIO()
    write_csv(records, columns, stream)
    return stream.getvalue()


def test_a_header_and_one_line_for_each_record() -> None:
    records: list[dict[str, object]] = [{"b": "x", "a": 1}, {"a": None, "b": "y,z"}]

    assert written(["a", "b"], *records) == 'a,b\n1,x\n,"y,z"\n'


def test_without_records_there_is_a_header() -> None:
    assert written(["a", "b"]) == "a,b\n"


def test_a_nested_column_becomes_one_for_each_key() -> None:
    sizes = Nested("packet_size", ("64", "+Inf"))
    records: list[dict[str, object]] = [
        {"iface": "a", "packet_size": {"+Inf": 3, "64": 1}},
        {"iface": "b", "packet_size": None},
        {"iface": "c", "packet_size": {"64": None, "+Inf": 2}},
    ]

    assert written(["iface", sizes], *records) == (
        "iface,packet_size_64,packet_size_+Inf\na,1,3\nb,,\nc,,2\n"
    )


def test_a_nested_column_holds_a_mapping() -> None:
    with pytest.raises(TypeError, match="not a mapping"):
        written([Nested("a", ("b",))], {"a": 3})


def test_values() -> None:
    record = {
        "big": 2**64 - 1,
        "float": 0.1,
        "nan": math.nan,
        "inf": -math.inf,
        "yes": True,
        "time": datetime(2026, 1, 2, tzinfo=UTC),
        "list": ["a", 1],
    }
    _, line = written(list(record), record).splitlines()

    assert next(csv.reader([line])) == [
        "18446744073709551615", "0.1", "", "", "true", "2026-01-02T00:00:00.000000Z", '["a", 1]',
    ]  # fmt: skip


def test_formulas_are_guarded_and_negative_numbers_are_not() -> None:
    assert written(["a", "b"], {"a": "-1", "b": -1}) == "a,b\n'-1,-1\n"
    assert written(["a"], {"a": '=cmd|"/C calc"'}) == 'a\n"\'=cmd|""/C calc"""\n'


def test_a_record_without_a_column_is_refused() -> None:
    with pytest.raises(KeyError):
        written(["a", "b"], {"a": 1})


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_any_text_stays_on_one_line_in_its_own_cell(texts: list[str]) -> None:
    columns = [str(at) for at in range(len(texts))]
    text = written(columns, dict(zip(columns, texts, strict=True)))
    lines = text.split("\n")

    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)
    row = next(csv.reader([lines[1]])) if lines[1] else [""]
    assert len(row) == len(texts)
    assert not [cell for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
