# SPDX-License-Identifier: MIT
"""The arrays of a sample as bytes that deflate well.

Most rows are those of the sample before, with some counters a little larger. Rows are matched by
their keys, since the order of a hash table's rows is not stable, and stored as the exclusive or
with the earlier row, which is mostly zeros. Bytes of equal significance stand together.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

from trafficmon.layout import (
    DROP,
    DROP_KEY,
    EVENT_COUNTS,
    FLOW,
    FLOW_KEY,
    HOOK_COUNTERS,
    LAYER_COUNTERS,
    OWNER,
    PROCESS,
    SERVICE,
    SERVICE_KEY,
    SOCKET_ROW,
)
from trafficmon.model.groups import Groups
from trafficmon.model.interfaces import BASE
from trafficmon.sources.recording.tree import Array

Arrays: TypeAlias = Mapping[str, Array]
Meta: TypeAlias = list[Any]
"""Path, dtype as numpy's file format writes it, shape, and what the bytes are relative to."""

_WHOLE, _SAME_ROWS, _MATCHED_ROWS = 0, 1, 2
_KEYS = {
    "FLOWS": ("FLOWS.keys", None),
    "SERVICES": ("SERVICES.keys", None),
    "DROPS": ("DROPS.keys", None),
    "OWNERS": ("OWNERS.ids", None),
    "PROCESS_LABELS": ("PROCESS_LABELS.ids", None),
    "SOCKETS": ("SOCKETS", "cookie"),
}
"""By part: the array, and the field of it, that matches rows. All arrays of the part have these."""
_DTYPES = {
    "FLOWS.keys": FLOW_KEY,
    "FLOWS.values": FLOW,
    "SERVICES.keys": SERVICE_KEY,
    "SERVICES.values": SERVICE,
    "DROPS.keys": DROP_KEY,
    "DROPS.values": DROP,
    "OWNERS.records": OWNER,
    "PROCESS_LABELS.records": PROCESS,
    "SOCKETS": SOCKET_ROW,
    "HOOK_COUNTERS": HOOK_COUNTERS,
    "LAYERS": LAYER_COUNTERS,
    "EVENT_COUNTS": EVENT_COUNTS,
    "INTERFACES.base": BASE,
}
_INDEX = re.compile(r"\.\d+")


class KeyRows:
    """The ``arrays`` that others are relative to; their rows are put in order once."""

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = arrays
        self._groups: dict[str, Groups] = {}

    def matching(self, new: Arrays, part: str) -> Array:
        """For each row of ``new`` the row with the same key; -1 where there is none."""
        if part not in self._groups:
            self._groups[part] = Groups(_keys(self.arrays, part))
        groups, found = self._groups[part], self._groups[part].find(_keys(new, part))
        rows = np.full(len(found), -1, np.int32)
        rows[found >= 0] = groups.first[found[found >= 0]]
        return rows


def packed(new: Arrays, key: KeyRows) -> Iterator[tuple[Meta, bytes]]:
    """Each array of ``new``, relative to that of ``key`` where that has it."""
    old, rows = key.arrays, dict[str, Array]()
    for path, array in new.items():
        part = path.partition(".")[0]
        mode, base = _WHOLE, None
        if array.ndim and path in old and old[path].dtype == array.dtype:
            if part in _KEYS:
                if part not in rows:
                    rows[part] = key.matching(new, part)
                    yield _row_numbers(part, rows[part])
                mode, base = _MATCHED_ROWS, _taken(old[path], rows[part])
            elif old[path].shape == array.shape:
                mode, base = _SAME_ROWS, old[path]
        descr = repr(np.lib.format.dtype_to_descr(array.dtype))
        yield [path, descr, array.shape, mode], _shuffled(array, base)


def unpacked(metas: list[Meta], content: memoryview, old: Arrays) -> dict[str, Array]:
    """What packed() was given. KeyError, TypeError or ValueError where it is damaged."""
    found: dict[str, Array] = {}
    rows: dict[str, Array] = {}
    for path, descr, shape, mode in metas:
        dtype = _dtype(descr)
        size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        raw, content = content[:size], content[size:]
        if path.startswith("#"):
            rows[path[1:]] = np.cumsum(_unshuffled(raw, dtype, shape, None), dtype=np.int32)
            continue
        base = None
        if mode == _MATCHED_ROWS:
            base = _taken(old[path], rows[path.partition(".")[0]])
        elif mode == _SAME_ROWS:
            base = old[path]
        found[path] = _unshuffled(raw, dtype, shape, base)
    if len(content):
        raise ValueError("there is more than the arrays")
    return found


def as_read_today(path: str, array: Array) -> Array:
    """``array`` with the fields that this version has; ValueError where one is not in it."""
    dtype = _DTYPES.get(_INDEX.sub("", path))
    if dtype is None or array.dtype == dtype:
        return array
    missing = set(dtype.names or ()) - set(array.dtype.names or ())
    if missing:
        raise ValueError(f"{path} has no {', '.join(sorted(missing))}")
    found = np.zeros(array.shape, dtype)
    for name in dtype.names or ():
        found[name] = array[name]
    return found


def _dtype(descr: str) -> np.dtype[Any]:
    """As numpy's own files have it: a Python literal, which JSON would make lists of."""
    dtype: np.dtype[Any] = np.lib.format.descr_to_dtype(ast.literal_eval(descr))
    if dtype.hasobject or not dtype.itemsize:
        raise ValueError("arrays hold numbers and bytes only")
    return dtype


def _keys(arrays: Arrays, part: str) -> Array:
    path, field = _KEYS[part]
    keys = arrays[path] if field is None else arrays[path][field]
    raw = _bytes(keys)
    spare = -raw.shape[1] % 8
    return np.pad(raw, ((0, 0), (0, spare))).view(np.uint64)


def _row_numbers(part: str, rows: Array) -> tuple[Meta, bytes]:
    """As steps from row to row, which are mostly 1."""
    steps = np.diff(rows, prepend=np.int32(0)).astype(np.int32)
    return ["#" + part, repr("<i4"), steps.shape, _WHOLE], _shuffled(steps, None)


def _taken(old: Array, rows: Array) -> Array:
    """Rows of ``old``, zeros for -1. IndexError where there is no such row."""
    base = np.zeros(len(rows), old.dtype)
    base[rows >= 0] = old[rows[rows >= 0]]
    return base


def _bytes(array: Array) -> Array:
    """Shape (records, bytes of one)."""
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(np.uint8).reshape(len(flat), array.dtype.itemsize)


def _shuffled(array: Array, base: Array | None) -> bytes:
    raw = _bytes(array)
    return (raw if base is None else raw ^ _bytes(base)).T.tobytes()


def _unshuffled(raw: memoryview, dtype: np.dtype[Any], shape: Any, base: Array | None) -> Array:
    columns = np.frombuffer(raw, np.uint8).reshape(dtype.itemsize, -1)
    rows = columns.T if base is None else columns.T ^ _bytes(base)
    return np.ascontiguousarray(rows).view(dtype).reshape(tuple(shape))
