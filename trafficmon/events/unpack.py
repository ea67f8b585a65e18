# SPDX-License-Identifier: MIT
"""Members of a C record as Python values, unpacked at once.

A field of numpy's records costs as much as ten members here, and events come one by one.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np

_CODES = {"u1": "B", "u2": "H", "u4": "I", "u8": "Q"}


def unpacker(dtype: np.dtype[Any], *paths: str) -> Callable[[bytes], tuple[Any, ...]]:
    """What unpacks the members ``paths`` ("event.at_ns") of a record of ``dtype``.

    ``paths`` are in the order of the record. Arrays of bytes become bytes. What follows the record
    is not looked at; struct.error where the record is too short.
    """
    code, end = "=", 0
    for path in paths:
        offset, member = _member(dtype, path)
        code += f"{offset - end}x{_code(member)}"
        end = offset + member.itemsize
    return struct.Struct(f"{code}{dtype.itemsize - end}x").unpack_from


def place_of(dtype: np.dtype[Any], path: str) -> slice:
    """Where a member is in the bytes of a record of ``dtype``."""
    offset, member = _member(dtype, path)
    return slice(offset, offset + member.itemsize)


def _member(dtype: np.dtype[Any], path: str) -> tuple[int, np.dtype[Any]]:
    """Where it begins, and what it is."""
    offset = 0
    for name in path.split("."):
        assert dtype.fields is not None  # noqa: S101 - for mypy: it is a record
        dtype, begin = dtype.fields[name][:2]
        offset += begin
    return offset, dtype


def _code(member: np.dtype[Any]) -> str:
    return f"{member.itemsize}s" if member.subdtype else _CODES[member.str[1:]]
