# SPDX-License-Identifier: MIT
"""Records as an aligned text table."""

import io
import math
import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import wcswidth

from trafficmon.render.columns import Column
from trafficmon.render.table import table_lines, write_table
from trafficmon.render.width import cell_width, clip, pad

COLUMNS = (
    Column("iface", "IFACE"),
    Column("remote", "REMOTE", priority=1),
    Column("rx_bytes", "RX", "right", "bytes"),
    Column("port", "PORT", "right", "port", priority=2),
    Column("cgroup", "CGROUP", priority=3),
)
RECORDS: list[dict[str, object]] = [
    {"iface": "eth0", "remote": "192.0.2.7", "rx_bytes": 1_200_000, "port": 443,
     "cgroup": "/system.slice/nginx.service"},
    {"iface": "enp3s0", "remote": None, "rx_bytes": 7, "port": None, "cgroup": "/"},
]  # fmt: skip


def lines(width: int | None) -> list[str]:
    return table_lines(RECORDS, COLUMNS, width)


def test_columns_are_aligned() -> None:
    assert lines(None) == [
        "IFACE   REMOTE         RX  PORT  CGROUP",
        "eth0    192.0.2.7  1.2 MB   443  /system.slice/nginx.service",
        "enp3s0  -             7 B     -  /",
    ]


def test_text_is_cut_before_a_column_is_left_out() -> None:
    assert lines(46) == [
        "IFACE   REMOTE         RX  PORT  CGROUP",
        "eth0    192.0.2.7  1.2 MB   443  /system.slic…",
        "enp3s0  -             7 B     -  /",
    ]


def test_columns_with_the_highest_priority_are_left_out_first() -> None:
    assert lines(39) == [
        "IFACE   REMOTE         RX  PORT",
        "eth0    192.0.2.7  1.2 MB   443",
        "enp3s0  -             7 B     -",
    ]
    assert lines(24) == [
        "IFACE   REMOTE        RX",
        "eth0    192.0.2…  1.2 MB",
        "enp3s0  -            7 B",
    ]
    assert lines(23) == ["IFACE       RX", "eth0    1.2 MB", "enp3s0     7 B"]


def test_only_text_is_cut_and_numbers_are_left_out_whole() -> None:
    columns = (Column("name", "NAME"), Column("n", "N", "right", "count", priority=1))
    records = [{"name": "a-long-name", "n": 2**64 - 1}]

    assert table_lines(records, columns, 30) == [
        "NAME" + " " * 25 + "N",
        "a-long-…  18446744073709551615",
    ]
    assert table_lines(records, columns, 29) == ["NAME", "a-long-name"]


def test_where_nothing_fits_lines_are_cut_and_say_so() -> None:
    assert lines(9) == ["IFACE   …", "eth0    …", "enp3s0  …"]
    assert lines(0) == ["", "", ""]


def test_a_table_without_records_is_its_header() -> None:
    assert table_lines([], COLUMNS, None) == ["IFACE  REMOTE  RX  PORT  CGROUP"]


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("count", 1234567, "1234567"),
        ("bytes", 1234567, "1.2 MB"),
        ("duration", 125, "2m05s"),
        ("duration_us", 850, "850 µs"),
        ("percent", 99.99, "99.9%"),
        ("time", datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00.000000Z"),
        ("time", "2026-01-02T00:00:00Z", "2026-01-02T00:00:00Z"),
        ("text", "x\x1b[2J", r"x\x1b[2J"),
        ("text", False, "false"),
        ("text", {"a": [1]}, '{"a": [1]}'),
        ("bytes", None, "-"),
        ("percent", math.nan, "-"),
        ("duration", math.inf, "-"),
        ("bytes", "many\n", r"many\n"),
    ],
)
def test_kinds(kind: str, value: object, text: str) -> None:
    column = Column("a", "A", kind=kind)  # type: ignore[arg-type]

    assert table_lines([{"a": value}], [column], None) == ["A", text]


def test_wide_and_combining_characters_are_measured_as_shown() -> None:
    columns = [Column("a", "A"), Column("n", "N", "right", "count")]
    records = [{"a": text, "n": 1} for text in ("日本", "e\u0301", "abcd")]
    table = table_lines(records, columns, None)

    assert [wcswidth(line) for line in table] == [7, 7, 7, 7]


def test_a_wide_character_is_not_cut_in_half() -> None:
    assert clip("日本語", 6) == "日本語"
    assert clip("日本語", 5) == "日本…"
    assert clip("日本語", 4) == "日…"
    assert clip("日本語", 1) == "…"
    assert clip("日本語", 0) == ""


@given(st.text(), st.integers(0, 20))
def test_clipped_text_fits(text: str, width: int) -> None:
    shown = "".join(char for char in text if char.isprintable())

    assert cell_width(clip(shown, width)) <= width
    assert clip(shown, 1000) == shown
    if cell_width(shown) > width > 0:
        assert clip(shown, width).endswith("…")


@given(st.text(max_size=10).filter(str.isprintable), st.booleans())
def test_padded_text_fills_its_cell(text: str, right_aligned: bool) -> None:
    assert cell_width(pad(text, 30, right_aligned=right_aligned)) == 30


texts = st.none() | st.text(max_size=30)
numbers = st.none() | st.integers(0, 2**64 - 1)
records = st.fixed_dictionaries(
    {"iface": texts, "remote": texts, "rx_bytes": numbers, "port": numbers, "cgroup": texts}
)


@given(st.lists(records, max_size=5), st.integers(0, 120))
def test_no_line_is_wider_than_the_terminal(rows: list[dict[str, object]], width: int) -> None:
    table = table_lines(rows, COLUMNS, width)

    assert len(table) == len(rows) + 1
    assert all(line.isprintable() for line in table)
    assert all(cell_width(line) <= width for line in table)


@given(st.lists(records, min_size=1, max_size=5), st.integers(20, 120))
def test_a_number_is_shown_whole_or_not_at_all(rows: list[dict[str, object]], width: int) -> None:
    header, *table = table_lines(rows, (COLUMNS[1], COLUMNS[3]), max(width, 32))
    assert header.endswith("PORT")

    for row, line in zip(rows, table, strict=True):
        assert line.endswith("-" if row["port"] is None else str(row["port"]))


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("COLUMNS", "24")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Terminal()


def test_on_a_terminal_the_header_is_bold_and_the_table_fits(terminal: Terminal) -> None:
    write_table(RECORDS, COLUMNS, terminal)

    header, *rows = terminal.getvalue().splitlines()
    assert header == "\x1b[1mIFACE   REMOTE        RX\x1b[0m"
    assert rows == lines(24)[1:]


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_no_color_is_respected(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    write_table(RECORDS, COLUMNS, terminal)

    assert terminal.getvalue().splitlines() == lines(24)


def test_an_empty_no_color_says_nothing(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "")
    write_table(RECORDS, COLUMNS, terminal)

    assert terminal.getvalue().startswith("\x1b[1m")


def test_a_file_gets_the_whole_table_and_no_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "24")
    stream = io.StringIO()
    write_table(RECORDS, COLUMNS, stream)

    assert stream.getvalue().splitlines() == lines(None)


def test_a_width_that_is_given_counts(terminal: Terminal) -> None:
    write_table(RECORDS, COLUMNS, terminal, width=46)

    assert terminal.getvalue().splitlines()[1:] == lines(46)[1:]


def test_render_imports_neither_numpy_nor_wcwidth_before_they_are_needed() -> None:
    code = (
        "import sys, trafficmon.render.table, trafficmon.render.jsonout, trafficmon.render.csvout\n"
        "print(sorted({'numpy', 'wcwidth', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )

    assert done.stdout == "[]\n"
