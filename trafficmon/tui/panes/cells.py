# SPDX-License-Identifier: MIT
"""Values as cells: all text passes escape_controls(), and none of it is markup."""

from __future__ import annotations

from dataclasses import replace

from trafficmon.render.columns import UNKNOWN, Column, cell_text
from trafficmon.render.safe import escape_controls
from trafficmon.render.shown import COLUMNS
from trafficmon.render.units import format_bit_rate
from trafficmon.render.width import cell_width
from trafficmon.tables.table import Record
from trafficmon.tui.panes.grid import Cell

_RATE_OF = {"rx_bytes": "rx_rate", "tx_bytes": "tx_rate", "bytes": "rate"}
_NOTHING = Cell(UNKNOWN, "dim")
_MARK, _GAP = 2, 2  # beside a title, that the table is sorted by it; between two columns


def columns_of(table: str, *, totals: bool) -> list[Column]:
    """Rates in the place of bytes, unless ``totals``."""
    return [column if totals else _as_rate(column) for column in COLUMNS[table]]


def fitting(columns: list[Column], widths: list[int], width: int) -> list[int]:
    """Places of the columns that there is room for; the least important go first, 0 never."""
    kept = list(range(len(columns)))
    while sum(widths[place] + _GAP for place in kept) > width:
        least = max(reversed(kept), key=lambda place: columns[place].priority)
        if not columns[least].priority:
            break
        kept.remove(least)
    return kept


def widest(columns: list[Column], cells: list[list[Cell]], sorted_by: str) -> list[int]:
    """What each column needs, with room for the mark of the one that the table is sorted by."""
    return [
        max(
            [
                len(column.title) + _MARK * (column.name == sorted_by),
                *(cell_width(row[place].text) for row in cells),
            ]
        )
        for place, column in enumerate(columns)
    ]


def _as_rate(column: Column) -> Column:
    rate = _RATE_OF.get(column.name)
    if rate is None:
        return column
    return replace(column, name=rate, title=f"{column.title}/S", kind="byte_rate")


def cell(record: Record, column: Column, *, bits: bool) -> Cell:
    """One cell."""
    value = record.get(column.name)
    if value is None:
        return _NOTHING
    if column.kind == "byte_rate" and bits:
        return Cell(format_bit_rate(float(value) * 8))
    return Cell(cell_text(value, column.kind))


def label_cell(label: str) -> Cell:
    """A label in the place of a name; it may come from a stranger as well."""
    return Cell(escape_controls(label))


def rate_text(bytes_per_s: float | None, *, bits: bool) -> str:
    """A rate by itself."""
    if bytes_per_s is None:
        return UNKNOWN
    return format_bit_rate(bytes_per_s * 8) if bits else cell_text(bytes_per_s, "byte_rate")


def span_text(covered_s: float, span_s: int) -> str:
    """What a graph is of: "60 s"; "12 s of 5 min" while it has not been looked at for so long."""
    whole = _time_text(span_s)
    return whole if covered_s >= span_s - 1 else f"{_time_text(covered_s)} of {whole}"


def _time_text(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.0f} h"
