# SPDX-License-Identifier: MIT
"""Maps: single values, and batches into numpy arrays."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from trafficmon.errors import BpfError
from trafficmon.libbpf._ffi import check, ffi, lib, options, text
from trafficmon.libbpf.handle import Handle, open_pin

Records: TypeAlias = NDArray[Any]
"""A one-dimensional structured array."""

BPF_NOEXIST = 1
_PER_CPU_TYPES = {5, 6, 10, 21}  # PERCPU_HASH, PERCPU_ARRAY, LRU_PERCPU_HASH, PERCPU_CGROUP_STORAGE
_FIRST_BATCH = 4096


@dataclass(frozen=True)
class MapFacts:
    """What the kernel says about a map."""

    type: int
    id: int
    name: str
    key_bytes: int
    value_bytes: int
    max_entries: int


class Map(Handle):
    """A map. Keys and values are bytes, or records of a numpy dtype of the same size."""

    kind = "BPF map"

    @classmethod
    def from_pin(cls, path: str, *, read_only: bool = False) -> Self:
        """The map pinned at ``path``; read_only needs no more than read permission on the file."""
        return cls(open_pin(path, "BPF map", read_only=read_only), os.path.basename(path))

    def facts(self) -> MapFacts:
        """Type, sizes and name as the kernel has them."""
        info = ffi.new("struct bpf_map_info *")
        size = ffi.new("uint32_t *", ffi.sizeof("struct bpf_map_info"))
        check(lib.bpf_obj_get_info_by_fd(self.fd, info, size), "ask about", f"map {self.name}")
        return MapFacts(
            info.type, info.id, text(info.name), info.key_size, info.value_size, info.max_entries
        )

    def value_bytes(self) -> int:
        """Bytes that one lookup fills: of a per-CPU map all CPUs' values, each padded to eight."""
        facts = self.facts()
        if facts.type not in _PER_CPU_TYPES:
            return facts.value_bytes
        return -(-facts.value_bytes // 8) * 8 * int(lib.libbpf_num_possible_cpus())

    def lookup(self, key: bytes) -> bytes | None:
        """The value of ``key``, or None. Of a per-CPU map: the values of all CPUs in a row."""
        value = ffi.new("char[]", self.value_bytes())
        result = lib.bpf_map_lookup_elem(self.fd, ffi.from_buffer(key), value)
        if result == -errno.ENOENT:
            return None
        check(result, "read", f"map {self.name}")
        return bytes(ffi.buffer(value))

    def update(self, key: bytes, value: bytes, flags: int = 0) -> None:
        """Set ``key`` to ``value``."""
        result = lib.bpf_map_update_elem(
            self.fd, ffi.from_buffer(key), ffi.from_buffer(value), flags
        )
        check(result, "write", f"map {self.name}")

    def delete(self, key: bytes) -> bool:
        """Remove ``key``; False if it was not there."""
        result = lib.bpf_map_delete_elem(self.fd, ffi.from_buffer(key))
        if result == -errno.ENOENT:
            return False
        check(result, "delete from", f"map {self.name}")
        return True

    def read_all(self, key_type: np.dtype[Any], value_type: np.dtype[Any]) -> tuple[Records, Records]:
        """All keys and values, by batches: two arrays of equal length.

        Of a per-CPU map the values have the shape (entries, CPUs). Entries that come or go while
        it reads may or may not be among them, as with any walk over a live hash table.
        """
        facts = self.facts()
        _same_size(self.name, "key", facts.key_bytes, key_type)
        per_cpu = facts.type in _PER_CPU_TYPES
        if not per_cpu:
            _same_size(self.name, "value", facts.value_bytes, value_type)
        reader = _BatchReader(self, key_type, self.value_bytes())
        keys, raw = reader.run(facts.max_entries)
        if not per_cpu:
            return keys, raw.view(value_type).reshape(-1)
        padded = np.dtype((np.void, -(-facts.value_bytes // 8) * 8))
        cells = raw.view(padded).reshape(len(keys), -1)
        return keys, _without_padding(cells, value_type)

    def read_array(self, value_type: np.dtype[Any]) -> Records:
        """All values of an ARRAY, in the order of their indexes."""
        return self.read_all(np.dtype("u4"), value_type)[1]

    def update_many(self, keys: Records, values: Records) -> None:
        """Set all ``keys`` to ``values`` in one call."""
        count = ffi.new("uint32_t *", len(keys))
        flags = options("bpf_map_batch_opts")
        result = lib.bpf_map_update_batch(self.fd, _address(keys), _address(values), count, flags)
        check(result, "write", f"map {self.name}")

    def delete_many(self, keys: Records) -> int:
        """Remove ``keys``; how many the kernel took before one was missing."""
        count = ffi.new("uint32_t *", len(keys))
        flags = options("bpf_map_batch_opts")
        result = lib.bpf_map_delete_batch(self.fd, _address(keys), count, flags)
        if result != -errno.ENOENT:
            check(result, "delete from", f"map {self.name}")
        return int(count[0])


class _BatchReader:
    """bpf_map_lookup_batch until the map is through, into arrays that grow as needed."""

    def __init__(self, source: Map, key_type: np.dtype[Any], value_bytes: int) -> None:
        self.source = source
        self.key_type = key_type
        self.value_type = np.dtype((np.void, value_bytes))
        self.flags = options("bpf_map_batch_opts")
        self.position = ffi.new("char[]", max(8, key_type.itemsize))

    def run(self, max_entries: int) -> tuple[Records, Records]:
        room = min(max_entries, 1 << 17)
        keys = np.empty(room, self.key_type)
        values = np.empty(room, self.value_type)
        filled, begun, step = 0, False, room
        while True:
            if len(keys) - filled < step:
                keys, values = _grown(keys, step), _grown(values, step)
            got, state = self._batch(begun, keys[filled:], values[filled:], step)
            filled += got
            begun = begun or got > 0
            if state == "end" or (got == 0 and state == "more"):
                return keys[:filled], values[:filled]
            if state == "bucket":  # one bucket holds more than there was room for
                step *= 2

    def _batch(self, begun: bool, keys: Records, values: Records, step: int) -> tuple[int, str]:
        count = ffi.new("uint32_t *", step)
        result = lib.bpf_map_lookup_batch(
            self.source.fd,
            self.position if begun else ffi.NULL,
            self.position,
            _address(keys),
            _address(values),
            count,
            self.flags,
        )
        if result == -errno.ENOSPC:
            return 0, "bucket"
        if result == -errno.ENOENT:
            return int(count[0]), "end"
        check(result, "read", f"map {self.source.name}")
        return int(count[0]), "more"


def _grown(array: Records, more: int) -> Records:
    larger = np.empty(len(array) + more, array.dtype)
    larger[: len(array)] = array
    return larger


def _address(array: Records) -> Any:
    return ffi.cast("void *", array.ctypes.data)


def _without_padding(cells: Records, value_type: np.dtype[Any]) -> Records:
    flat = np.frombuffer(cells.tobytes(), np.uint8).reshape(-1, cells.dtype.itemsize)
    tight = np.ascontiguousarray(flat[:, : value_type.itemsize])
    return tight.view(value_type).reshape(cells.shape)


def _same_size(name: str, what: str, kernel: int, dtype: np.dtype[Any]) -> None:
    if kernel != dtype.itemsize:
        raise BpfError(
            errno.EINVAL, "decode", f"map {name}", f"its {what} has {kernel} bytes, not {dtype.itemsize}"
        )
