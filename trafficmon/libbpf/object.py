# SPDX-License-Identifier: MIT
"""A compiled BPF object: open, set up, load. And its programs.

The three steps are separate, as in libbpf: sizes, constants and shared maps are set in between.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from trafficmon.errors import BpfError, BrokenObjectError, VerifierError
from trafficmon.libbpf import log
from trafficmon.libbpf._ffi import check, encode, ffi, lib, text
from trafficmon.libbpf.handle import Closeable, Handle, open_pin
from trafficmon.libbpf.map import Map

BPF_F_XDP_HAS_FRAGS = 1 << 5
_LOG_BYTES = 1 << 20
_REFUSED_MAP = re.compile(r"map '([^']+)': failed to create")


class Program(Handle):
    """A loaded program; holds it in the kernel while open."""

    kind = "BPF program"

    @classmethod
    def from_pin(cls, path: str, *, read_only: bool = False) -> Self:
        """The program pinned at ``path``; read_only: to query it, with read permission."""
        return cls(open_pin(path, "BPF program", read_only=read_only), os.path.basename(path))


@dataclass(frozen=True)
class Run:
    """What one BPF_PROG_TEST_RUN did."""

    result: int  # what the program returned
    duration_ns: int  # mean over the repeats
    data: bytes  # the packet as the program left it


def test_run(
    program: Program, frame: bytes, repeat: int = 1, *, room: int = 0, context: bytes = b""
) -> Run:
    """Run ``program`` on ``frame`` (at least 14 bytes), in the kernel, attached to nothing.

    ``room``: bytes to keep for a frame that the program made longer. ``context``: the struct
    __sk_buff that a tc program is given, of which the kernel takes what no frame has (gso_size).
    """
    out = ffi.new("char[]", len(frame) + room)
    run = ffi.new("struct bpf_test_run_opts *")
    run.sz = ffi.sizeof("struct bpf_test_run_opts")
    given = ffi.from_buffer(frame)
    run.data_in = given
    run.data_size_in = len(frame)
    run.data_out = out
    run.data_size_out = len(out)
    run.repeat = repeat
    if context:
        run.ctx_in = ffi.from_buffer(context)
        run.ctx_size_in = len(context)
    check(lib.bpf_prog_test_run_opts(program.fd, run), "test-run", program.name)
    return Run(run.retval, run.duration, bytes(ffi.buffer(out, run.data_size_out)))


class Object(Closeable):
    """An opened .bpf.o. ``load()`` once; afterwards maps and programs can be taken out of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self._logs: dict[str, Any] = {}
        self._is_loaded = False
        log.capture()
        pointer = lib.bpf_object__open_file(encode(path), ffi.NULL)
        if pointer == ffi.NULL:
            raise BrokenObjectError(
                f"{path} is not a usable BPF object ({os.strerror(ffi.errno)}); "
                "build it again with 'make bpf', or install the package again"
            )
        self._owned = pointer

    def is_open(self) -> bool:
        """Whether it was not freed yet."""
        return bool(self._owned != ffi.NULL)

    def close(self) -> None:
        """Free it; loaded programs and maps stay while other descriptors or pins hold them."""
        if self._owned != ffi.NULL:
            lib.bpf_object__close(self._owned)
            self._owned = ffi.NULL

    @property
    def _pointer(self) -> Any:
        self._require_open()
        return self._owned

    def programs(self) -> dict[str, Any]:
        """The raw programs by name."""
        return _named(self._pointer, lib.bpf_object__next_program, lib.bpf_program__name)

    def maps(self) -> dict[str, Any]:
        """The raw maps by name. Data sections go by their last part: ``.rodata``, ``.bss``."""
        return _named(self._pointer, lib.bpf_object__next_map, lib.bpf_map__name)

    def keep_only(self, *names: str) -> None:
        """Load these programs and no others."""
        for name, program in self.programs().items():
            check(lib.bpf_program__set_autoload(program, name in names), "select", name)

    def set_map_entries(self, sizes: Mapping[str, int]) -> None:
        """max_entries of maps, by name, before loading."""
        maps = self.maps()
        for name, entries in sizes.items():
            check(lib.bpf_map__set_max_entries(maps[name], entries), "size map", name)

    def reuse_maps(self, shared: Mapping[str, Map]) -> None:
        """Use these maps instead of making maps of the same names."""
        for name, pointer in self.maps().items():
            if name in shared:
                check(lib.bpf_map__reuse_fd(pointer, shared[name].fd), "reuse map", name)

    def allow_frames_of_several_buffers(self) -> None:
        """Declare that XDP programs handle frames of several buffers (Linux 5.18, f45d5b6ce2e8)."""
        for name, program in self.programs().items():
            flags = lib.bpf_program__flags(program) | BPF_F_XDP_HAS_FRAGS
            check(lib.bpf_program__set_flags(program, flags), "set flags of", name)

    def set_constants(self, values: Mapping[str, int]) -> None:
        """Values of ``const volatile`` integers, by name, before loading."""
        if not values:
            return
        pointer, section = self._constants()
        place, size = ffi.new("uint32_t *"), ffi.new("uint32_t *")
        for name, value in values.items():
            found = lib.tm_find_constant(self._pointer, encode(name), place, size)
            check(found, "find constant", f"{name} in {self.path}")
            section[place[0] : place[0] + size[0]] = value.to_bytes(size[0], sys.byteorder)
        changed = lib.bpf_map__set_initial_value(pointer, ffi.from_buffer(section), len(section))
        check(changed, "set constants of", str(self.path))

    def _constants(self) -> tuple[Any, bytearray]:
        for name, pointer in self.maps().items():
            if name.endswith(".rodata"):
                size = ffi.new("size_t *")
                first = lib.bpf_map__initial_value(pointer, size)
                return pointer, bytearray(ffi.buffer(first, size[0]))
        raise BrokenObjectError(f"{self.path} has no constants; build it again with 'make bpf'")

    def load(self) -> None:
        """Into the kernel. VerifierError with the whole log when the verifier refuses."""
        if self._is_loaded:
            raise BpfError(errno.EBUSY, "load", str(self.path), "it is loaded already")
        self._is_loaded = True
        for name, program in self.programs().items():
            buffer = ffi.new("char[]", _LOG_BYTES)
            self._logs[name] = buffer
            check(lib.bpf_program__set_log_buf(program, buffer, _LOG_BYTES), "set log of", name)
        log.warnings.clear()
        result = lib.bpf_object__load(self._pointer)
        refused = {name: said for name in self._logs if (said := text(self._logs[name]))}
        if result < 0 and refused:
            name, said = refused.popitem()
            raise VerifierError(-result, name, said)
        for warning in log.warnings if result < 0 else ():
            if refused_map := _REFUSED_MAP.search(warning):
                check(result, "make", f"map {refused_map[1]}")
        check(result, "load", str(self.path))

    def program(self, name: str) -> Program:
        """A handle of its own for a loaded program."""
        return Program(_duplicate(lib.bpf_program__fd(self.programs()[name]), name), name)

    def map(self, name: str) -> Map:
        """A handle of its own for a map, after loading."""
        return Map(_duplicate(lib.bpf_map__fd(self.maps()[name]), name), name)


def _duplicate(fd: int, name: str) -> int:
    if fd < 0:
        raise ValueError(f"{name} is not loaded")
    return os.dup(fd)


def _named(owner: Any, following: Any, name_of: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    pointer = following(owner, ffi.NULL)
    while pointer != ffi.NULL:
        found[text(name_of(pointer))] = pointer
        pointer = following(owner, pointer)
    return found
