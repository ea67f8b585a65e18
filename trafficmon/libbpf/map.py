# SPDX-License-Identifier: MIT
"""Maps as numpy arrays of records."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from trafficmon.libbpf._ffi import check, ffi, lib, options
from trafficmon.libbpf.rawmap import RawEntries, RawMap

Records: TypeAlias = NDArray[Any]
"""A one-dimensional structured array."""


class Map(RawMap):
    """A map whose keys and values are also records of a numpy dtype of the same size."""

    def read_all(
        self, key_type: np.dtype[Any], value_type: np.dtype[Any], raw: RawEntries | None = None
    ) -> tuple[Records, Records]:
        """All keys and values: two arrays of equal length, of ``raw`` if that was read before.

        For what may be among them see raw_entries().
        """
        facts = self.facts()
        self.check_size("key", facts.key_bytes, key_type.itemsize)
        self.check_size("value", self.value_bytes(), value_type.itemsize)
        if raw is None:
            raw = self.raw_entries()
        keys = np.frombuffer(raw.keys, key_type, raw.count)
        return keys, np.frombuffer(raw.values, value_type, raw.count)

    def read_array(self, value_type: np.dtype[Any], raw: RawEntries | None = None) -> Records:
        """All values of an ARRAY, in the order of their indexes."""
        return self.read_all(np.dtype("u4"), value_type, raw)[1]

    def read_first(self, value_type: np.dtype[Any], count: int) -> Records:
        """The first ``count`` values of an ARRAY."""
        return self.read_array(value_type, self.raw_entries(count))

    def update_many(self, keys: Records, values: Records) -> None:
        """Set all ``keys`` to ``values`` in one call."""
        keys, values = np.ascontiguousarray(keys), np.ascontiguousarray(values)
        self.check_sizes(key=keys.nbytes, value=values.nbytes, count=len(keys))
        count = ffi.new("uint32_t *", len(keys))
        flags = options("bpf_map_batch_opts")
        result = lib.bpf_map_update_batch(self.fd, _address(keys), _address(values), count, flags)
        check(result, "write", f"map {self.name}")


def _address(array: Records) -> Any:
    return ffi.cast("void *", array.ctypes.data)
