# SPDX-License-Identifier: MIT
"""trafficmon.bpfobject: what a BPF object says about itself, and damage reported in one line."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import build_bpf
from trafficmon import bpfobject
from trafficmon.errors import BrokenObjectError

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = """\
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} hits SEC(".maps");

static __attribute__((noinline)) int helper(int length)
{
	__u32 zero = 0;
	__u64 *hit = bpf_map_lookup_elem(&hits, &zero);

	return hit ? *hit + length : length;
}

SEC("xdp")
int first(struct xdp_md *ctx)
{
	return helper(1) + helper(2);
}

SEC("tc")
int second(struct __sk_buff *skb)
{
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
"""


@pytest.fixture(scope="module")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Called with a name, and flags for clang, it compiles SOURCE and gives the object's path."""
    directory = tmp_path_factory.mktemp("objects")
    toolchain = build_bpf.find_toolchain()

    def compile_(name: str, *flags: str, strip: bool = True) -> Path:
        source, output = directory / f"{name}.bpf.c", directory / f"{name}.bpf.o"
        source.write_text(SOURCE)
        argv = build_bpf.clang_argv(source, output, "x86_64", toolchain)
        subprocess.run([*argv, *flags], cwd=build_bpf.ROOT, check=True)
        if strip:
            subprocess.run([toolchain.llvm_strip, "-g", str(output)], check=True)
        return output

    return compile_


@pytest.fixture(scope="module")
def whole(compiler: Callable[..., Path]) -> Path:
    return compiler("whole")


def test_facts_of_a_whole_object(whole: Path) -> None:
    facts = bpfobject.inspect(whole)

    assert facts.machine == "EM_BPF"
    assert facts.size_bytes == whole.stat().st_size
    assert [(p.section, p.name) for p in facts.programs] == [("xdp", "first"), ("tc", "second")]
    assert all(program.instructions >= 2 for program in facts.programs)
    assert facts.maps == ("hits",)
    assert facts.licence == "Dual BSD/GPL"
    assert facts.has_btf
    assert facts.has_btf_ext
    assert facts.debug_sections == ()
    assert bpfobject.defects(facts) == ()


def test_debug_sections_that_were_not_stripped_are_a_defect(compiler: Callable[..., Path]) -> None:
    facts = bpfobject.inspect(compiler("unstripped", strip=False))

    assert ".debug_info" in facts.debug_sections
    assert any("DWARF" in defect for defect in bpfobject.defects(facts))


def test_object_without_type_information_says_so(compiler: Callable[..., Path]) -> None:
    facts = bpfobject.inspect(compiler("untyped", "-g0"))

    assert not facts.has_btf
    assert not facts.has_btf_ext
    assert [d for d in bpfobject.defects(facts) if "BTF" in d] == [
        "it has no .BTF section",
        "it has no .BTF.ext section",
    ]


@pytest.mark.parametrize("licence", [None, "", "Proprietary", "gpl", "MIT"])
def test_licence_that_the_kernel_does_not_take_for_gpl_is_a_defect(
    whole: Path, licence: str | None
) -> None:
    facts = replace(bpfobject.inspect(whole), licence=licence)

    assert bpfobject.defects(facts) == (f"its licence {licence!r} is not GPL-compatible",)


def test_truncation_is_reported_with_path_and_remedy(whole: Path, tmp_path: Path) -> None:
    image = whole.read_bytes()
    cut = tmp_path / "cut.bpf.o"

    for length in (*range(200), *range(200, len(image), 7), len(image) - 1):
        cut.write_bytes(image[:length])
        with pytest.raises(BrokenObjectError) as raised:
            bpfobject.inspect(cut)
        assert str(raised.value).startswith(f"{cut} is ")
        assert str(raised.value).endswith("in its checkout")
        assert "\n" not in str(raised.value)


def test_damage_anywhere_is_reported_or_harmless_but_never_a_crash(
    whole: Path, tmp_path: Path
) -> None:
    image = whole.read_bytes()
    damaged = tmp_path / "damaged.bpf.o"
    dice = random.Random(20_240_601)
    reported = 0

    for _ in range(800):
        bytes_ = bytearray(image)
        for _ in range(dice.randrange(1, 6)):
            bytes_[dice.randrange(len(bytes_))] = dice.choice((0, 0xFF, dice.randrange(256)))
        damaged.write_bytes(bytes_)
        try:
            bpfobject.defects(bpfobject.inspect(damaged))
        except BrokenObjectError:
            reported += 1

    assert reported > 50


def test_other_files_are_no_bpf_objects(tmp_path: Path) -> None:
    text = tmp_path / "text.bpf.o"
    text.write_text("int main(void)")

    with pytest.raises(BrokenObjectError, match="is not an ELF file"):
        bpfobject.inspect(text)
    with pytest.raises(BrokenObjectError, match="is not a little-endian BPF object"):
        bpfobject.inspect(Path(sys.executable))
    with pytest.raises(BrokenObjectError, match="cannot be read"):
        bpfobject.inspect(tmp_path / "missing.bpf.o")
    with pytest.raises(BrokenObjectError, match="cannot be read"):
        bpfobject.inspect(tmp_path)


def test_btf_that_lies_about_its_size_is_damage(whole: Path, tmp_path: Path) -> None:
    image = bytearray(whole.read_bytes())
    header = image.index(struct.pack("<HBBI", 0xEB9F, 1, 0, 24))
    struct.pack_into("<I", image, header + 20, 0xFFFF_FFFF)  # the strings' length
    lying = tmp_path / "lying.bpf.o"
    lying.write_bytes(image)

    with pytest.raises(BrokenObjectError, match=r"\.BTF section that is not BTF"):
        bpfobject.inspect(lying)
