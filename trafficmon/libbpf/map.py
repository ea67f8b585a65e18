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
# enum bpf_map_type
_ARRAYS = {2, 6}  # ARRAY, PERCPU_ARRAY: every index is there, always
_PER_CPU_TYPES = {5, 6, 10, 21}  # PERCPU_HASH, _ARRAY, LRU_PERCPU_HASH, PERCPU_CGROUP_STORAGE
_LARGEST_BATCH = 1 << 17


@dataclass(frozen=True)
class MapFacts:
    """What the kernel says about a map; none of it ever changes."""

    type: int
    id: int
    name: str
    key_bytes: int
    value_bytes: int
    max_entries: int

    @property
    def is_per_cpu(self) -> bool:
        """Whether each CPU has a value of its own."""
        return self.type in _PER_CPU_TYPES

    @property
    def padded_bytes(self) -> int:
        """Bytes of one CPU's value as the kernel hands it over."""
        return -(-self.value_bytes // 8) * 8 if self.is_per_cpu else self.value_bytes


class Map(Handle):
    """A map. Keys and values are bytes, or records of a numpy dtype of the same size.

    Sizes are held against the kernel's: it would read and write past the end of what is shorter.
    """

    kind = "BPF map"

    def __init__(self, fd: int, name: str) -> None:
        super().__init__(fd, name)
        self._facts: MapFacts | None = None

    @classmethod
    def from_pin(cls, path: str, *, read_only: bool = False) -> Self:
        """The map pinned at ``path``; read_only needs no more than read permission on the file."""
        return cls(open_pin(path, "BPF map", read_only=read_only), os.path.basename(path))

    def facts(self) -> MapFacts:
        """Type, sizes and name as the kernel has them."""
        if self._facts is None:
            info = ffi.new("struct bpf_map_info *")
            size = ffi.new("uint32_t *", ffi.sizeof("struct bpf_map_info"))
            result = lib.bpf_obj_get_info_by_fd(self.fd, info, size)
            check(result, "ask about", f"map {self.name}")
            name, sizes = text(info.name), (info.key_size, info.value_size, info.max_entries)
            self._facts = MapFacts(info.type, info.id, name, *sizes)
        return self._facts

    def value_bytes(self) -> int:
        """Bytes that one lookup fills: of a per-CPU map all CPUs' values, each padded to eight."""
        facts = self.facts()
        cpus = int(lib.libbpf_num_possible_cpus()) if facts.is_per_cpu else 1
        return facts.padded_bytes * cpus

    def lookup(self, key: bytes) -> bytes | None:
        """The value of ``key``, or None. Of a per-CPU map: the values of all CPUs in a row."""
        self._check_sizes(key=len(key))
        value = ffi.new("char[]", self.value_bytes())
        result = lib.bpf_map_lookup_elem(self.fd, ffi.from_buffer(key), value)
        if result == -errno.ENOENT:
            return None
        check(result, "read", f"map {self.name}")
        return bytes(ffi.buffer(value))

    def update(self, key: bytes, value: bytes, flags: int = 0) -> None:
        """Set ``key`` to ``value``."""
        self._check_sizes(key=len(key), value=len(value))
        result = lib.bpf_map_update_elem(
            self.fd, ffi.from_buffer(key), ffi.from_buffer(value), flags
        )
        check(result, "write", f"map {self.name}")

    def delete(self, key: bytes) -> bool:
        """Remove ``key``; False if it was not there."""
        self._check_sizes(key=len(key))
        result = lib.bpf_map_delete_elem(self.fd, ffi.from_buffer(key))
        if result == -errno.ENOENT:
            return False
        check(result, "delete from", f"map {self.name}")
        return True

    def read_all(
        self, key_type: np.dtype[Any], value_type: np.dtype[Any]
    ) -> tuple[Records, Records]:
        """All keys and values, by batches: two arrays of equal length.

        Of a per-CPU map the values have the shape (entries, CPUs). Entries that come or go while
        it reads may or may not be among them, as with any walk over a live hash table.
        """
        facts = self.facts()
        self._same("key", facts.key_bytes, key_type.itemsize)
        self._same("value", facts.value_bytes, value_type.itemsize)
        keys, raw = _BatchReader(self, key_type, self.value_bytes()).run(facts)
        if not facts.is_per_cpu:
            return keys, raw.view(value_type).reshape(-1)
        cpus = self.value_bytes() // facts.padded_bytes
        cells = raw.view(np.uint8).reshape(len(keys), cpus, facts.padded_bytes)
        tight = np.ascontiguousarray(cells[:, :, : value_type.itemsize])
        return keys, tight.view(value_type).reshape(len(keys), cpus)

    def read_array(self, value_type: np.dtype[Any]) -> Records:
        """All values of an ARRAY, in the order of their indexes."""
        return self.read_all(np.dtype("u4"), value_type)[1]

    def update_many(self, keys: Records, values: Records) -> None:
        """Set all ``keys`` to ``values`` in one call."""
        keys, values = np.ascontiguousarray(keys), np.ascontiguousarray(values)
        self._check_sizes(key=keys.nbytes, value=values.nbytes, count=len(keys))
        count = ffi.new("uint32_t *", len(keys))
        flags = options("bpf_map_batch_opts")
        result = lib.bpf_map_update_batch(self.fd, _address(keys), _address(values), count, flags)
        check(result, "write", f"map {self.name}")

    def delete_many(self, keys: Records) -> int:
        """Remove ``keys``; how many the kernel took before one was missing."""
        keys = np.ascontiguousarray(keys)
        self._check_sizes(key=keys.nbytes, count=len(keys))
        count = ffi.new("uint32_t *", len(keys))
        flags = options("bpf_map_batch_opts")
        result = lib.bpf_map_delete_batch(self.fd, _address(keys), count, flags)
        if result != -errno.ENOENT:
            check(result, "delete from", f"map {self.name}")
        return int(count[0])

    def _check_sizes(self, *, key: int, value: int | None = None, count: int = 1) -> None:
        self._same("key", count * self.facts().key_bytes, key)
        if value is not None:
            self._same("value", count * self.value_bytes(), value)

    def _same(self, what: str, kernel: int, given: int) -> None:
        if kernel != given:
            sizes = f"its {what} takes {kernel} bytes, not {given}"
            raise BpfError(errno.EINVAL, "use", f"map {self.name}", sizes)


class _BatchReader:
    """bpf_map_lookup_batch until the map is through, into arrays that grow as needed."""

    def __init__(self, source: Map, key_type: np.dtype[Any], value_bytes: int) -> None:
        self.source = source
        self.key_type = key_type
        self.value_type = np.dtype((np.void, value_bytes))
        self.flags = options("bpf_map_batch_opts")
        self.position = ffi.new("char[]", max(8, key_type.itemsize))

    def run(self, facts: MapFacts) -> tuple[Records, Records]:
        whole = facts.max_entries if facts.type in _ARRAYS else -1
        room = min(facts.max_entries, _LARGEST_BATCH)
        keys = np.empty(room, self.key_type)
        values = np.empty(room, self.value_type)
        filled, begun, step = 0, False, room
        while filled != whole:
            if len(keys) - filled < step:
                keys, values = _grown(keys, step), _grown(values, step)
            got, state = self._batch(keys[filled:], values[filled:], step, begun=begun)
            filled += got
            begun = begun or got > 0
            if state == "end" or (got == 0 and state == "more"):
                break
            if state == "bucket":  # one bucket holds more than there was room for
                step *= 2
        return keys[:filled], values[:filled]

    def _batch(self, keys: Records, values: Records, step: int, *, begun: bool) -> tuple[int, str]:
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
