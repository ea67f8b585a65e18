# SPDX-License-Identifier: MIT
"""Small things about records that writers and readers of the pinned maps share."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from trafficmon.errors import ForeignMapsError, LayoutError
from trafficmon.layout import LAYOUT_VERSION, MAGIC, META

FIRST_KEY = struct.pack("=I", 0)
"""The key of an array's first entry."""


def slot_key(slot: int) -> bytes:
    """The key of an array's entry ``slot``."""
    return struct.pack("=I", slot)


def require_layout(raw: bytes | None, where: object) -> None:
    """LayoutError unless ``raw``, the value of meta, describes the records that we know.

    ForeignMapsError where it is no trafficmon's at all.
    """
    magic, version, size = struct.unpack_from("=III", (raw or b"").ljust(12, b"\0"))
    if magic != MAGIC:
        raise ForeignMapsError(
            f"what is pinned in {where} is not trafficmon's; choose another --pin-dir"
        )
    if (version, size) != (LAYOUT_VERSION, META.itemsize):
        raise LayoutError(
            f"what is attached counts in record layout {version}, this trafficmon reads layout "
            f"{LAYOUT_VERSION}; 'trafficmon attach --replace' takes over (counters restart), or "
            "use the trafficmon that attached"
        )


def text_of(field: Any) -> str:
    """A NUL-padded array of bytes as text."""
    return bytes(field).split(b"\0", 1)[0].decode(errors="replace")


def set_text(record: Any, field: str, value: str) -> None:
    """Put text into a NUL-padded array of bytes, cut to fit between two characters."""
    room = record.dtype[field].itemsize
    whole = value.encode(errors="replace")[: room - 1].decode(errors="ignore")
    record[field] = np.frombuffer(whole.encode().ljust(room, b"\0"), np.uint8)


def record_of(raw: bytes | None, dtype: np.dtype[Any]) -> Any:
    """One record, writable; zeroes for None."""
    return np.frombuffer(bytearray(raw or bytes(dtype.itemsize)), dtype)[0]
