# SPDX-License-Identifier: MIT
"""Records as JSON."""

import io
import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import ip_address

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trafficmon.render.jsonout import write_json
from trafficmon.render.plain import to_json


def written(*records: dict[str, object]) -> str:
    stream = io.StringIO()
    write_json(records, stream)
    return stream.getvalue()


def test_one_array_with_one_record_per_line() -> None:
    assert written({"a": 1, "b": None}, {"a": "x", "b": True}) == (
        '[\n{"a": 1, "b": null}\n,{"a": "x", "b": true}\n]\n'
    )


def test_no_records_are_an_empty_array() -> None:
    assert json.loads(written()) == []


def test_records_are_written_as_they_come() -> None:
    stream = io.StringIO()

    def live() -> Iterator[dict[str, object]]:
        yield {"n": 1}
        assert stream.getvalue() == '[\n{"n": 1}\n'
        yield {"n": 2}
        assert stream.getvalue() == '[\n{"n": 1}\n,{"n": 2}\n'

    write_json(live(), stream)

    assert json.loads(stream.getvalue()) == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_what_is_no_number_is_null(value: float) -> None:
    text = written({"a": value, "b": {"c": [value, 1.5]}, "d": "NaN"})

    assert json.loads(text) == [{"a": None, "b": {"c": [None, 1.5]}, "d": "NaN"}]


def test_values_that_json_does_not_know() -> None:
    record: dict[str, object] = {
        "addr": ip_address("2001:db8::1"),
        "time": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "bytes": np.uint64(2**64 - 1),
        "ratio": np.float32(0.5),
    }

    assert json.loads(written(record)) == [
        {
            "addr": "2001:db8::1",
            "time": "2026-01-02T03:04:05.000000Z",
            "bytes": 2**64 - 1,
            "ratio": 0.5,
        }
    ]


def test_what_is_no_value_of_a_record_is_refused() -> None:
    with pytest.raises(TypeError, match="which JSON cannot"):
        written({"a": object()})


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.dictionaries(st.text(), inner) | st.lists(inner),
    max_leaves=8,
)


def finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def refuse(constant: str) -> None:
    raise AssertionError(constant)


@given(st.dictionaries(st.text(), values))
def test_any_record_is_one_printable_line_that_reads_back(record: dict[str, object]) -> None:
    text = to_json(record)

    assert text.isascii()
    assert text.isprintable()
    assert json.loads(text, parse_constant=refuse) == finite(record)


def test_bytes_that_are_no_utf_8_are_json_to_strict_readers_too() -> None:
    """A lone surrogate is not (RFC 8259, 8.2): jq, Go and Rust refuse or change it."""
    record = {"comm": "\udcff\x7f\x1b\u202e", "list": [{"\udc80": "\U0001f600"}]}

    reported = to_json(record)
    assert reported.isprintable()
    assert json.loads(reported) == {
        "comm": "\\xff\x7f\x1b\u202e",
        "list": [{"\\x80": "\U0001f600"}],
    }
    json.loads(reported)["comm"].encode("utf-8", "strict")


def test_names_that_differ_stay_different() -> None:
    names = (
        b"tm\xff",
        b"tm\xfe",
        b"tm\\xff",
        b"tm\\\xff",
        "tm\ufffd".encode(),
        b"tm\\x5cxff",
        b"\xc3\xa9",
    )
    reported = {to_json(name.decode(errors="surrogateescape")) for name in names}
    assert len(reported) == len(names)
    assert to_json("dev-\\xc3\\xa9.mount") == '"dev-\\\\xc3\\\\xa9.mount"'  # systemd's own
