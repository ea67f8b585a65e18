# SPDX-License-Identifier: MIT
"""The dtypes are the C compiler's layout, member by member."""

from __future__ import annotations

import re
from enum import EnumType
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wire_layout

from trafficmon import layout
from trafficmon.libbpf._ffi import ffi
from trafficmon.libbpf.structs import constant, dtype_of

BPF = Path(__file__).resolve().parents[2] / "bpf"
SOURCE = "".join(path.read_text() for path in (BPF / "wire.h", *sorted((BPF / "wire").glob("*.h"))))
RECORDS = re.findall(r"^struct (tm_\w+) \{", SOURCE, re.MULTILINE)


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


def test_the_layout_is_made_of_the_header() -> None:
    assert wire_layout.OUTPUT.read_text(encoding="utf-8") == wire_layout.source(), "run: make build"


def test_all_records_and_enumerators_have_a_name() -> None:
    for name in RECORDS:
        assert getattr(layout, name.removeprefix("tm_").upper()) == dtype_of(name)
    every_class = (one for one in vars(layout).values() if isinstance(one, EnumType))
    named = [value for one in every_class for value in one._value2member_map_]
    constants = [value for name, value in vars(layout).items() if isinstance(value, int)]
    text = re.sub(r"/\*.*?\*/", "", SOURCE, flags=re.DOTALL)
    every = re.findall(r"^\s+(TM_\w+)\s*=", text, re.MULTILINE)
    assert sorted([*named, *constants]) == sorted(constant(name) for name in every)


def test_keys_are_whole_words() -> None:
    """reader.merge takes them as 64-bit words."""
    assert layout.FLOW_KEY.itemsize % 8 == layout.SERVICE_KEY.itemsize % 8 == 0
