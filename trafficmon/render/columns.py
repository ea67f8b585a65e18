# SPDX-License-Identifier: MIT
"""What a table's columns are, and a value as the text of a cell."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from trafficmon.render.plain import is_unknown, to_text
from trafficmon.render.safe import escape_controls
from trafficmon.render.units import format_byte_rate, format_bytes, format_duration, format_percent

Align: TypeAlias = Literal["left", "right"]
Kind: TypeAlias = Literal[
    "text", "count", "bytes", "byte_rate", "port", "time", "duration", "duration_us", "percent"
]

UNKNOWN: Final = "-"
"""What stands for null, and for a number that is none."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a text table.

    `name` is the record's; `title` heads the column; `kind` says how values are shown: count and
    port as whole numbers, bytes with SI prefixes, duration of seconds and duration_us of
    microseconds as a time span, the rest as text. Where there is no room, columns with the highest
    `priority` are left out first and those with 0 never; before that, text columns (and only
    they) are cut, down to `min_width`.
    """

    name: str
    title: str
    align: Align = "left"
    kind: Kind = "text"
    priority: int = 0
    min_width: int = 8


def cell_text(value: object, kind: Kind) -> str:
    """`value` as it stands in a column of `kind`, safe for a terminal."""
    if is_unknown(value):
        return UNKNOWN
    formatter = _FORMATTERS.get(kind)
    if formatter is not None and isinstance(value, int | float):
        return formatter(value)
    return escape_controls(to_text(value))


def _microseconds(value: float) -> str:
    return format_duration(value / 1e6)


_FORMATTERS: Final[dict[Kind, Callable[[float], str]]] = {
    "bytes": format_bytes,
    "byte_rate": format_byte_rate,
    "duration": format_duration,
    "duration_us": _microseconds,
    "percent": format_percent,
}
