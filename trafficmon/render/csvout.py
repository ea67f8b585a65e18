# SPDX-License-Identifier: MIT
"""Records as CSV."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Number
from typing import TextIO

from trafficmon.render.plain import is_unknown, to_text
from trafficmon.render.safe import escape_controls, guard_formula


@dataclass(frozen=True, slots=True)
class Nested:
    """A column that holds a mapping, such as a histogram: one CSV column for each of `keys`.

    Column packet_size with key 64 is headed packet_size_64.
    """

    name: str
    keys: tuple[str, ...]


def write_csv(
    records: Iterable[Mapping[str, object]],
    columns: Sequence[str | Nested],
    stream: TextIO,
) -> None:
    """Write a header and one line for each record to `stream`, as they come.

    Null is an empty cell, a number is written in full. Control characters in text are escaped, so
    that a record is always one line, and text that a spreadsheet would calculate is guarded.
    Raises KeyError when a record lacks a column: records never leave one out.
    """
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_header(columns))
    writer.writerows(_row(record, columns) for record in records)


def _header(columns: Sequence[str | Nested]) -> list[str]:
    header = []
    for column in columns:
        match column:
            case Nested(name, keys):
                header += [f"{name}_{key}" for key in keys]
            case name:
                header.append(name)
    return header


def _row(record: Mapping[str, object], columns: Sequence[str | Nested]) -> list[str]:
    row = []
    for column in columns:
        match column:
            case Nested(name, keys):
                row += [_cell(value) for value in _nested(record[name], keys)]
            case name:
                row.append(_cell(record[name]))
    return row


def _nested(value: object, keys: tuple[str, ...]) -> list[object]:
    if value is None:
        return [None] * len(keys)
    if not isinstance(value, Mapping):
        raise TypeError(f"a nested column holds {value!r}, which is not a mapping")
    return [value[key] for key in keys]


def _cell(value: object) -> str:
    if type(value) is str:  # nearly all cells, of up to a million rows
        return guard_formula(escape_controls(value))
    if value is None:
        return ""
    if type(value) is int:
        return str(value)
    if is_unknown(value):
        return ""
    text = to_text(value)
    return text if isinstance(value, Number) else guard_formula(escape_controls(text))
