# SPDX-License-Identifier: MIT
"""Maps as bytes: single values, and all entries by batches.

Without numpy, which takes its time to be imported: a map can be read meanwhile (the call into the
kernel lets go of the interpreter lock).
"""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from trafficmon.errors import BpfError
from trafficmon.libbpf._ffi import check, encode, ffi, lib, options, text
from trafficmon.libbpf.handle import Handle, open_pin
from trafficmon.uapi import MapType

BPF_NOEXIST = 1
_ARRAYS = {MapType.ARRAY, MapType.PERCPU_ARRAY}  # every index is there, always
_PER_CPU_TYPES = {
    MapType.PERCPU_HASH,
    MapType.PERCPU_ARRAY,
    MapType.LRU_PERCPU_HASH,
    MapType.PERCPU_CGROUP_STORAGE,
}
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
    flags: int
    btf_id: int  # 0: it has none
    btf_types: tuple[int, int]  # of key and value

    @property
    def is_per_cpu(self) -> bool:
        """Whether each CPU has a value of its own."""
        return self.type in _PER_CPU_TYPES

    @property
    def padded_bytes(self) -> int:
        """Bytes of one CPU's value as the kernel hands it over."""
        return -(-self.value_bytes // 8) * 8 if self.is_per_cpu else self.value_bytes


@dataclass(frozen=True)
class RawEntries:
    """``count`` keys and, place by place, their values: each a buffer with room for as many."""

    keys: Any
    values: Any
    count: int


class RawMap(Handle):
    """A map. Keys and values are bytes.

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

    def another(self) -> Self:
        """A new, empty map of the same type, sizes and BTF.

        Of the BTF as well, because a map of maps takes only what is like its template, and Linux
        5.15 to 6.1 know two maps apart by whether they have any (bpf_map_meta_equal: timer_off).
        """
        facts = self.facts()
        sizes = (facts.key_bytes, facts.value_bytes, facts.max_entries)
        with ExitStack() as open_:
            wanted = options("bpf_map_create_opts", map_flags=facts.flags)
            if facts.btf_id:
                btf = check(lib.bpf_btf_get_fd_by_id(facts.btf_id), "open", f"BTF {facts.btf_id}")
                open_.callback(os.close, btf)
                wanted.btf_fd = btf
                wanted.btf_key_type_id, wanted.btf_value_type_id = facts.btf_types
            fd = lib.bpf_map_create(facts.type, encode(facts.name), *sizes, wanted)
        return type(self)(check(fd, "make", f"map {facts.name}"), self.name)

    def facts(self) -> MapFacts:
        """Type, sizes and name as the kernel has them."""
        if self._facts is None:
            info = ffi.new("struct bpf_map_info *")
            size = ffi.new("uint32_t *", ffi.sizeof("struct bpf_map_info"))
            result = lib.bpf_obj_get_info_by_fd(self.fd, info, size)
            check(result, "query", f"map {self.name}")
            name, sizes = text(info.name), (info.key_size, info.value_size, info.max_entries)
            types = (info.btf_key_type_id, info.btf_value_type_id)
            self._facts = MapFacts(
                info.type, info.id, name, *sizes, info.map_flags, info.btf_id, types
            )
        return self._facts

    def value_bytes(self) -> int:
        """Bytes that one lookup fills: of a per-CPU map all CPUs' values, each padded to eight."""
        facts = self.facts()
        cpus = int(lib.libbpf_num_possible_cpus()) if facts.is_per_cpu else 1
        return facts.padded_bytes * cpus

    def lookup(self, key: bytes) -> bytes | None:
        """The value of ``key``, or None. Of a per-CPU map: the values of all CPUs in a row."""
        self.check_sizes(key=len(key))
        value = ffi.new("char[]", self.value_bytes())
        result = lib.bpf_map_lookup_elem(self.fd, ffi.from_buffer(key), value)
        if result == -errno.ENOENT:
            return None
        check(result, "read", f"map {self.name}")
        return bytes(ffi.buffer(value))

    def update(self, key: bytes, value: bytes, flags: int = 0) -> None:
        """Set ``key`` to ``value``."""
        self.check_sizes(key=len(key), value=len(value))
        result = lib.bpf_map_update_elem(
            self.fd, ffi.from_buffer(key), ffi.from_buffer(value), flags
        )
        check(result, "write", f"map {self.name}")

    def delete(self, key: bytes) -> bool:
        """Remove ``key``; False if it was not there."""
        self.check_sizes(key=len(key))
        result = lib.bpf_map_delete_elem(self.fd, ffi.from_buffer(key))
        if result == -errno.ENOENT:
            return False
        check(result, "delete from", f"map {self.name}")
        return True

    def freeze(self) -> None:
        """No process writes by bpf(2) any more; programs continue to (5.2, 87df15de441b)."""
        if not self._is_frozen():
            check(lib.bpf_map_freeze(self.fd), "freeze", f"map {self.name}")

    def _is_frozen(self) -> bool:
        info = Path(f"/proc/self/fdinfo/{self.fd}").read_text(encoding="ascii")
        return "frozen:\t1\n" in info

    def raw_entries(self, first: int | None = None) -> RawEntries:
        """All keys and values, by batches; of an array only the ``first`` so many, if given.

        Of a per-CPU map a value is all CPUs' values in a row. Entries that come or go while it
        reads may or may not be among them, as with any walk over a live hash table.
        """
        return _BatchReader(self).run(first)

    def check_sizes(self, *, key: int, value: int | None = None, count: int = 1) -> None:
        """BpfError unless ``count`` keys, and values, have this many bytes."""
        self.check_size("key", count * self.facts().key_bytes, key)
        if value is not None:
            self.check_size("value", count * self.value_bytes(), value)

    def check_size(self, what: str, kernel: int, given: int) -> None:
        """BpfError unless the two are the same number of bytes."""
        if kernel != given:
            sizes = f"its {what} takes {kernel} bytes, not {given}"
            raise BpfError(errno.EINVAL, "use", f"map {self.name}", sizes)


class _BatchReader:
    """bpf_map_lookup_batch until the map is through, into buffers that grow as needed."""

    def __init__(self, source: RawMap) -> None:
        self.source = source
        self.facts = source.facts()
        self.value_bytes = source.value_bytes()
        self.flags = options("bpf_map_batch_opts")
        self.position = ffi.new("char[]", max(8, self.facts.key_bytes))

    def run(self, first: int | None = None) -> RawEntries:
        facts = self.facts
        whole = facts.max_entries if facts.type in _ARRAYS else -1
        if first is not None and whole > first:
            whole = first
        step = room = min(whole if whole > 0 else facts.max_entries, _LARGEST_BATCH)
        keys, values = _buffer(room * facts.key_bytes), _buffer(room * self.value_bytes)
        filled, begun = 0, False
        while filled != whole:
            if whole > 0:
                step = min(step, whole - filled)
            if room - filled < step:
                room += step
                keys = _grown(keys, room * facts.key_bytes)
                values = _grown(values, room * self.value_bytes)
            at = keys + filled * facts.key_bytes, values + filled * self.value_bytes
            got, state = self._batch(*at, step, begun=begun)
            filled += got
            begun = begun or got > 0
            if state == "end" or (got == 0 and state == "more"):
                break
            if state == "bucket":  # one bucket holds more than there was room for
                step *= 2
        return RawEntries(ffi.buffer(keys), ffi.buffer(values), filled)

    def _batch(self, keys: Any, values: Any, step: int, *, begun: bool) -> tuple[int, str]:
        count = ffi.new("uint32_t *", step)
        position = self.position if begun else ffi.NULL
        result = lib.bpf_map_lookup_batch(
            self.source.fd, position, self.position, keys, values, count, self.flags
        )
        if result == -errno.ENOSPC:
            return 0, "bucket"
        if result == -errno.ENOENT:
            return int(count[0]), "end"
        check(result, "read", f"map {self.source.name}")
        return int(count[0]), "more"


_allocate = ffi.new_allocator(should_clear_after_alloc=False)


def _buffer(size: int) -> Any:
    return _allocate("char[]", size)


def _grown(buffer: Any, size: int) -> Any:
    larger = _buffer(size)
    ffi.memmove(larger, buffer, len(buffer))
    return larger
