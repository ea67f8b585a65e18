# SPDX-License-Identifier: MIT
"""Small things about records that writers and readers of the pinned maps share."""

from __future__ import annotations

import struct
import sys
from typing import Any

import numpy as np

from trafficmon.errors import ForeignMapsError, LayoutError
from trafficmon.hook_registry import INTERFACE_KINDS
from trafficmon.layout import LAYOUT_VERSION, MAGIC, META, AttachMode

FIRST_KEY = struct.pack("=I", 0)
"""The key of an array's first entry."""


def slot_key(slot: int) -> bytes:
    """The key of an array's entry ``slot``."""
    return struct.pack("=I", slot)


def mode_name(mode: int) -> str:
    """An AttachMode as `status` has it: off, native, generic, offload, tcx or clsact."""
    return AttachMode(mode).name.removeprefix("XDP_").lower()


def require_layout(raw: bytes | None, where: object) -> None:
    """LayoutError unless ``raw``, the value of meta, describes the records that we know.

    ForeignMapsError where it does not belong to trafficmon.
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
    """A NUL-padded array of bytes as text; what is not UTF-8 by surrogateescape, as of a path."""
    return bytes(field).split(b"\0", 1)[0].decode(errors="surrogateescape")


def set_text(record: Any, field: str, value: str) -> None:
    """Put text into a NUL-padded array of bytes, cut to fit between two characters."""
    room = record.dtype[field].itemsize
    raw = value.encode(errors="surrogateescape")
    if len(raw) >= room:
        raw = raw[: room - 1]
        while raw and _is_cut(raw):
            raw = raw[:-1]
    record[field] = np.frombuffer(raw.ljust(room, b"\0"), np.uint8)


def _is_cut(raw: bytes) -> bool:
    """Whether the last character of valid UTF-8 is not whole."""
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return False


def host_order(column: Any) -> Any:
    """A column of 16-bit numbers in network byte order, in this machine's."""
    return column.byteswap() if sys.byteorder == "little" else column


def hook_numbers(interface: Any, kind: str) -> tuple[int, int]:
    """Program and link (0: a filter) that an INTERFACE record notes for the hook ``kind``."""
    return tuple(interface["hooks"][INTERFACE_KINDS.index(kind)].tolist())


def record_of(raw: bytes | None, dtype: np.dtype[Any]) -> Any:
    """One record, writable; zeroes for None."""
    return np.frombuffer(bytearray(raw or bytes(dtype.itemsize)), dtype)[0]
