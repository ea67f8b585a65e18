# SPDX-License-Identifier: MIT
"""C structures that the binding knows, as numpy dtypes and byte strings.

The compiler of the binding has checked their layout (cffi API mode), so nothing is typed twice.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from trafficmon.libbpf._ffi import ffi, lib


@cache
def dtype_of(name: str) -> np.dtype[Any]:
    """``struct name`` as a structured dtype with the C offsets and size, in native byte order."""
    ctype = ffi.typeof(f"struct {name}")
    members = [(name, field.offset, _dtype(field.type)) for name, field in ctype.fields]
    return np.dtype(
        {
            "names": [name for name, _, _ in members],
            "formats": [member for _, _, member in members],
            "offsets": [offset for _, offset, _ in members],
            "itemsize": ffi.sizeof(ctype),
        }
    )


def constant(name: str) -> int:
    """An enumerator of the shared header."""
    return int(getattr(lib, name))


def _dtype(ctype: Any) -> np.dtype[Any]:
    if ctype.kind == "struct":
        return dtype_of(ctype.cname.removeprefix("struct "))
    if ctype.kind == "array":
        return np.dtype((_dtype(ctype.item), (ctype.length,)))
    sign = "u" if "unsigned" in ctype.cname or ctype.cname.startswith("uint") else "i"
    return np.dtype(f"{sign}{ffi.sizeof(ctype)}")
