# SPDX-License-Identifier: MIT
"""bpf(2) calls that tests make and trafficmon does not."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from trafficmon.libbpf._ffi import check, ffi, lib, options
from trafficmon.libbpf.map import Map, Records

_BPF_STATS_RUN_TIME = 0


def delete_many(table: Map, keys: Records) -> int:
    """Remove ``keys``; how many the kernel took before one was missing."""
    keys = np.ascontiguousarray(keys)
    table.check_sizes(key=keys.nbytes, count=len(keys))
    count = ffi.new("uint32_t *", len(keys))
    address = ffi.cast("void *", keys.ctypes.data)
    result = lib.bpf_map_delete_batch(table.fd, address, count, options("bpf_map_batch_opts"))
    if result != -errno.ENOENT:
        check(result, "delete from", f"map {table.name}")
    return int(count[0])


def program_ids() -> Iterator[int]:
    """The ids of all loaded programs (needs CAP_SYS_ADMIN)."""
    following = ffi.new("uint32_t *")
    current = 0
    while lib.bpf_prog_get_next_id(current, following) == 0:
        current = int(following[0])
        yield current


@contextmanager
def run_statistics() -> Iterator[None]:
    """While inside, the kernel counts runs and nanoseconds of all programs (some 20 ns a run)."""
    fd = check(lib.bpf_enable_stats(_BPF_STATS_RUN_TIME), "turn on", "BPF run statistics")
    try:
        yield
    finally:
        os.close(fd)
