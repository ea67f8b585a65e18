# SPDX-License-Identifier: MIT
"""Builds trafficmon.libbpf._native, the compiled binding (cffi API mode, stable ABI).

Run by the build hook; imports nothing of the package. The records of bpf/wire.h go both into the
declarations and into the compiled source, so that the C compiler itself refuses a difference.
"""

from __future__ import annotations

import re
from pathlib import Path

import cffi

HERE = Path(__file__).resolve().parent
BPF = HERE.parent.parent / "bpf"
DECLARATIONS = ("object", "syscall", "net", "ring", "system")
INTEGERS = {
    "__u8": "uint8_t",
    "__u16": "uint16_t",
    "__u32": "uint32_t",
    "__u64": "unsigned long long",
}
OPAQUE = (
    "bpf_object_open_opts",
    "bpf_iter_attach_opts",
    "bpf_link_update_opts",
    "ring_buffer_opts",
)


def wire_source(name: str = "wire.h", seen: set[str] | None = None) -> str:
    """wire.h with what it includes of wire/ in place, each file once."""
    seen = set() if seen is None else seen
    if name in seen:
        return ""
    seen.add(name)
    included = re.compile(r'^#include "(wire/.+)"$', re.MULTILINE)
    return included.sub(lambda match: wire_source(match[1], seen), (BPF / name).read_text())


def wire_declarations(source: str) -> str:
    """wire.h as cffi reads it: without comments and preprocessor lines, integers by C99 names."""
    text = re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL)
    text = re.sub(r"^#.*$", "", text, flags=re.MULTILINE)
    for kernel, standard in INTEGERS.items():
        text = re.sub(rf"\b{kernel}\b", standard, text)
    return text


def make_builder() -> cffi.FFI:
    """The configured builder; its compile() makes the extension."""
    builder = cffi.FFI()
    builder.cdef("\n".join(f"struct {name};" for name in OPAQUE))
    for name in DECLARATIONS:
        builder.cdef((HERE / "decl" / f"{name}.h").read_text())
    wire = wire_source()
    builder.cdef(wire_declarations(wire))
    builder.set_source(
        "trafficmon.libbpf._native",
        (HERE / "shim.c").read_text() + wire,
        libraries=["bpf"],
        py_limited_api=True,
        extra_compile_args=[
            "-Werror=implicit-function-declaration",  # as compilers from 2024 on
            *("-include", "string.h"),  # which older cffi takes from Python.h, where it is no more
        ],
        define_macros=[("Py_LIMITED_API", "0x030b0000"), ("_GNU_SOURCE", "1")],
    )
    return builder


ffibuilder = make_builder()

if __name__ == "__main__":
    ffibuilder.compile(tmpdir=str(HERE.parent.parent), verbose=True)
