# SPDX-License-Identifier: MIT
"""What a compiled BPF object says about itself, read with pyelftools and without any kernel.

`doctor` reports it, and the build refuses to ship an object in which something is missing.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from trafficmon.errors import BrokenObjectError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from elftools.elf.sections import Section

_ELF_HEADER_BYTES = 64
_SECTION_HEADER_BYTES = 64
_INSTRUCTION_BYTES = 8

# include/uapi/linux/btf.h: magic u16, version u8, flags u8, hdr_len u32, then offset and length of
# the types and of the strings, both counted from the end of the header.
_BTF_HEADER = struct.Struct("<HBBIIIII")
_BTF_MAGIC = 0xEB9F

# kernel/module license_is_gpl_compatible(): who declares one of these may call GPL-only helpers.
GPL_COMPATIBLE = frozenset(
    {"GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"}
)

_REMEDY = "reinstall trafficmon, or run `make bpf` in its checkout"


@dataclass(frozen=True)
class ProgramFacts:
    """One program: its section (which gives its type), its name, its size in instructions."""

    section: str
    name: str
    instructions: int


@dataclass(frozen=True)
class ObjectFacts:
    """What is in one .bpf.o file.

    `licence` is None when the object declares none; `debug_sections` names the DWARF that should
    have been stripped.
    """

    path: Path
    machine: str
    size_bytes: int
    programs: tuple[ProgramFacts, ...]
    maps: tuple[str, ...]
    licence: str | None
    has_btf: bool
    has_btf_ext: bool
    debug_sections: tuple[str, ...]


def inspect(path: Path) -> ObjectFacts:
    """The facts of the object at `path`. Raises BrokenObjectError for any other file."""
    try:
        image = path.read_bytes()
    except OSError as error:
        raise _broken(path, f"cannot be read ({error.strerror})") from error
    try:
        return _facts(path, image)
    except _DefectError as error:
        raise _broken(path, str(error)) from error
    except (ELFError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # pyelftools trusts the links between sections; damage there shows as any of these
        raise _broken(path, "is damaged") from error


def defects(facts: ObjectFacts) -> tuple[str, ...]:
    """Why this object cannot be shipped; empty when it can."""
    gpl = facts.licence in GPL_COMPATIBLE
    findings = (
        (not facts.programs, "it holds no program"),
        (not gpl, f"its licence {facts.licence!r} is not GPL-compatible"),
        (not facts.has_btf, "it has no .BTF section"),
        (not facts.has_btf_ext, "it has no .BTF.ext section"),
        (bool(facts.debug_sections), f"DWARF is left in it ({' '.join(facts.debug_sections)})"),
    )
    return tuple(text for found, text in findings if found)


def _broken(path: Path, defect: str) -> BrokenObjectError:
    return BrokenObjectError(f"{path} {defect}: {_REMEDY}")


class _DefectError(Exception):
    """What is wrong with the image, as the end of a sentence that begins with its path."""


class _Symbol(NamedTuple):
    name: str
    kind: str  # STT_FUNC, STT_OBJECT …
    binding: str  # STB_GLOBAL, STB_LOCAL …
    section: Section
    size_bytes: int


def _facts(path: Path, image: bytes) -> ObjectFacts:
    elf = _open(image)
    sections = {section.name: section for section in elf.iter_sections()}
    symbols = list(_defined_symbols(elf))
    if ".BTF" in sections:
        _check_btf(sections[".BTF"].data())
    return ObjectFacts(
        path=path,
        machine=elf["e_machine"],
        size_bytes=len(image),
        programs=tuple(_programs(symbols)),
        maps=tuple(sorted(symbol.name for symbol in symbols if symbol.section.name == ".maps")),
        licence=_text(sections["license"].data()) if "license" in sections else None,
        has_btf=".BTF" in sections,
        has_btf_ext=".BTF.ext" in sections,
        debug_sections=tuple(name for name in sections if name.startswith(".debug")),
    )


def _open(image: bytes) -> ELFFile:
    """The image as an ELF file for BPF, with every part of it inside the image."""
    if not image.startswith(b"\x7fELF"):
        raise _DefectError("is not an ELF file")
    if len(image) < _ELF_HEADER_BYTES:
        raise _DefectError("is cut short in its header")
    elf = ELFFile(io.BytesIO(image))
    if elf["e_machine"] != "EM_BPF" or elf.elfclass != 64 or not elf.little_endian:
        raise _DefectError(f"is not a little-endian BPF object (machine {elf['e_machine']})")
    if elf["e_shnum"] == 0 or elf["e_shentsize"] != _SECTION_HEADER_BYTES:
        raise _DefectError("has no section table")
    end = elf["e_shoff"] + elf["e_shnum"] * _SECTION_HEADER_BYTES
    if end <= len(image):
        parts = [s for s in elf.iter_sections() if s["sh_type"] != "SHT_NOBITS"]
        end = max((s["sh_offset"] + s["sh_size"] for s in parts), default=0)
    if end > len(image):
        raise _DefectError(f"is cut short ({len(image)} of at least {end} bytes are there)")
    if any(section.compressed for section in elf.iter_sections()):
        raise _DefectError("has compressed sections, which no BPF loader reads")
    return elf


def _defined_symbols(elf: ELFFile) -> Iterator[_Symbol]:
    tables = (part for part in elf.iter_sections() if isinstance(part, SymbolTableSection))
    for table in tables:
        for symbol in table.iter_symbols():
            home = symbol["st_shndx"]
            if isinstance(home, int):  # else a name: SHN_UNDEF, SHN_ABS
                info = symbol["st_info"]
                yield _Symbol(
                    name=symbol.name,
                    kind=info["type"],
                    binding=info["bind"],
                    section=elf.get_section(home),
                    size_bytes=symbol["st_size"],
                )


def _programs(symbols: Iterable[_Symbol]) -> Iterator[ProgramFacts]:
    """Programs are the global functions outside .text, which holds what they call."""
    for symbol in symbols:
        is_global = symbol.kind == "STT_FUNC" and symbol.binding == "STB_GLOBAL"
        if is_global and symbol.section.name != ".text":
            instructions = symbol.size_bytes // _INSTRUCTION_BYTES
            yield ProgramFacts(symbol.section.name, symbol.name, instructions)


def _check_btf(data: bytes) -> None:
    if len(data) < _BTF_HEADER.size:
        raise _DefectError("has a .BTF section that is cut short")
    magic, _, _, header_bytes, types_offset, types_bytes, strings_offset, strings_bytes = (
        _BTF_HEADER.unpack_from(data)
    )
    end = header_bytes + max(types_offset + types_bytes, strings_offset + strings_bytes)
    if magic != _BTF_MAGIC or end > len(data):
        raise _DefectError("has a .BTF section that is not BTF")


def _text(data: bytes) -> str:
    return data.split(b"\0")[0].decode("ascii", "replace")
