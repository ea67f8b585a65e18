# SPDX-License-Identifier: MIT
"""C structures as dtypes."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from trafficmon.libbpf._ffi import ffi
from trafficmon.libbpf.structs import constant, dtype_of

ORDER = "<" if sys.byteorder == "little" else ">"


def test_integers_have_their_size_sign_and_byte_order() -> None:
    dtype = dtype_of("tm_interface")
    assert dtype["ifindex"] == np.dtype(f"{ORDER}u4")
    assert dtype["state"] == np.dtype("u1")
    assert dtype["attached_at_ns"] == np.dtype(f"{ORDER}u8")
    assert dtype_of("bpf_tc_hook")["ifindex"] == np.dtype(f"{ORDER}i4")


def test_arrays_and_structures_in_structures() -> None:
    assert dtype_of("tm_hook_counters")["packets_by_size"].shape == (8,)
    ways = dtype_of("tm_flow_set")["way"]
    assert ways.shape == (2,)
    assert ways.base == dtype_of("tm_flow_slot")
    assert dtype_of("tm_flow_slot")["key"] == dtype_of("tm_flow_key")


def test_what_numpy_writes_c_reads() -> None:
    record = np.zeros(1, dtype_of("tm_flow_slot"))
    record["key"]["remote_port_be"] = 0x1234
    record["key"]["remote_addr"][0, 15] = 7
    record["sequence"] = 0xFFFFFFFE
    record["tx_bytes"] = 2**63
    slot = ffi.from_buffer("struct tm_flow_slot *", record)
    assert slot.key.remote_port_be == 0x1234
    assert slot.key.remote_addr[15] == 7
    assert slot.sequence == 0xFFFFFFFE
    assert slot.tx_bytes == 2**63


def test_the_same_dtype_each_time() -> None:
    assert dtype_of("tm_meta") is dtype_of("tm_meta")


def test_constants() -> None:
    assert constant("TM_MAGIC") == 0x746D6F6E
    assert constant("TM_HOOKS") == 4
    with pytest.raises(AttributeError):
        constant("TM_NOTHING")
