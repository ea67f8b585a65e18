# SPDX-License-Identifier: MIT
"""The dtypes are the C compiler's layout, member by member."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trafficmon import layout
from trafficmon.libbpf._ffi import ffi
from trafficmon.libbpf.structs import dtype_of, enumerators

WIRE = Path(__file__).resolve().parents[2] / "bpf" / "wire"
RECORDS = [
    name
    for header in sorted(WIRE.glob("*.h"))
    for name in re.findall(r"^struct (tm_\w+) \{", header.read_text(), re.MULTILINE)
]


def flat(dtype: np.dtype[Any], at: int = 0) -> list[tuple[int, int]]:
    """Offset and bytes of each innermost member."""
    if dtype.fields is None:
        return [(at, dtype.itemsize)]
    members = [dtype.fields[name] for name in dtype.names or ()]
    return [leaf for member in members for leaf in flat(member[0], at + member[1])]


@pytest.mark.parametrize("name", RECORDS)
def test_sizes_and_offsets_are_the_compilers(name: str) -> None:
    dtype, ctype = dtype_of(name), ffi.typeof(f"struct {name}")
    assert dtype.itemsize == ffi.sizeof(ctype)
    assert dtype.fields is not None
    found = {member: (entry[1], entry[0].itemsize) for member, entry in dtype.fields.items()}
    assert found == {
        member: (field.offset, ffi.sizeof(field.type)) for member, field in ctype.fields
    }


@pytest.mark.parametrize("name", RECORDS)
def test_padding_is_explicit(name: str) -> None:
    """No byte is outside of all members: such bytes of a key would be anything."""
    end = 0
    for offset, size in flat(dtype_of(name)):
        assert offset == end
        end += size
    assert end == dtype_of(name).itemsize


def test_every_record_has_its_enumerators_in_the_layout() -> None:
    assert {m.value for m in layout.Hook} == set(range(layout.HOOKS))
    for python, c, prefix in (
        (layout.FlowFlag, "tm_flow_flag", "TM_FLOW_"),
        (layout.ServiceKind, "tm_service_kind", "TM_SERVICE_"),
        (layout.Mode, "tm_attach_mode", "TM_ATTACH_"),
        (layout.State, "tm_interface_state", "TM_INTERFACE_"),
    ):
        assert {prefix + member.name: member.value for member in python} == enumerators(c)


def test_keys_are_whole_words() -> None:
    """reader.merge takes them as 64-bit words."""
    assert layout.FLOW_KEY.itemsize % 8 == layout.SERVICE_KEY.itemsize % 8 == 0
