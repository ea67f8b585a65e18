# SPDX-License-Identifier: MIT
"""A field of a record by its name: for people who look at one row in full."""

from collections.abc import Mapping
from typing import Final

from trafficmon.render.columns import Kind, cell_text
from trafficmon.render.units import format_bit_rate, format_bytes

_KINDS: Final[tuple[tuple[str, Kind], ...]] = (
    ("rate", "byte_rate"),
    ("_us", "duration_us"),
    ("_s", "duration"),
    ("_percent", "percent"),
    ("bytes", "bytes"),
)
"""Ends of names, and what such fields hold."""

_EXACT_BELOW: Final = 1000  # bytes; beyond, their number is rounded where it is short
_AMOUNTS: Final = (
    "packets", "connections", "retransmits", "queries", "responses", "nxdomain", "servfail",
    "parse_errors", "difference", "packet_size",
)  # fmt: skip


def field_text(name: str, value: object, *, bits: bool = False) -> str:
    """`value` with its unit, and nothing of it rounded away that was counted exactly."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {field_text(name, one, bits=bits)}" for key, one in value.items())
    kind: Kind = next((kind for end, kind in _KINDS if name.endswith(end)), "text")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return cell_text(value, "text")
    if kind != "text":
        return _with_unit(value, kind, bits=bits)
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if name.endswith(_AMOUNTS) else str(value)


def _with_unit(value: float, kind: Kind, *, bits: bool) -> str:
    if kind == "byte_rate" and bits:
        return format_bit_rate(value * 8)
    if kind == "bytes" and isinstance(value, int) and abs(value) >= _EXACT_BELOW:
        return f"{value:,} ({format_bytes(value)})"
    return cell_text(value, kind)
