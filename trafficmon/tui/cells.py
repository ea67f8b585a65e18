# SPDX-License-Identifier: MIT
"""Values as cells. All text passes escape_controls() and becomes Text, which has no markup."""

from __future__ import annotations

from dataclasses import replace

from rich.text import Text

from trafficmon.render.columns import Column, cell_text
from trafficmon.render.shown import COLUMNS
from trafficmon.render.units import format_bit_rate
from trafficmon.tables.table import Record

_RATE_OF = {"rx_bytes": "rx_rate", "tx_bytes": "tx_rate", "bytes": "rate"}
_NOTHING = Text("-", style="dim")


def columns_of(table: str, width: int, *, totals: bool) -> list[Column]:
    """Those that there is room for; rates in the place of bytes, unless ``totals`` are wanted."""
    columns = [column if totals else _as_rate(column) for column in COLUMNS[table]]
    while len(columns) > 2 and sum(_width(column) for column in columns) > width:
        columns.remove(max(reversed(columns), key=lambda column: column.priority))
    return columns


def _as_rate(column: Column) -> Column:
    rate = _RATE_OF.get(column.name)
    if rate is None:
        return column
    return replace(column, name=rate, title=f"{column.title}/S", kind="byte_rate")


def _width(column: Column) -> int:
    """About what the column takes, with the space beside it."""
    usual = {"text": 15, "time": 24, "count": 8, "port": 6}
    return max(usual.get(column.kind, 10), len(column.title)) + 2


def cell(record: Record, column: Column, *, bits: bool) -> Text:
    """One cell."""
    value = record.get(column.name)
    if value is None:
        return _NOTHING
    if column.kind == "byte_rate" and bits:
        return Text(format_bit_rate(float(value) * 8), justify="right")
    return Text(cell_text(value, column.kind), justify=column.align, no_wrap=True)


def rate_text(bytes_per_s: float | None, *, bits: bool) -> str:
    """A rate by itself."""
    if bytes_per_s is None:
        return "-"
    return format_bit_rate(bytes_per_s * 8) if bits else cell_text(bytes_per_s, "byte_rate")
