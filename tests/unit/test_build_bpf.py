# SPDX-License-Identifier: MIT
"""build_bpf.py: the compiler's command line, what is compiled when, what is said when it cannot."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import build_bpf
from trafficmon import bpfobject

PROGRAM = """\
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "common/answer.bpf.h"

SEC("xdp")
int answer(struct xdp_md *ctx)
{
	return ANSWER;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
"""
TYPES = """\
#define __VMLINUX_H__
typedef unsigned char __u8;
typedef unsigned short __u16, __be16;
typedef unsigned int __u32, __be32, __wsum;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
enum bpf_map_type { BPF_MAP_TYPE_ARRAY = 2 };
struct xdp_md { __u32 data; };
"""
TOOLS = build_bpf.Toolchain("clang-99", "llvm-strip-99", Path("/opt/libbpf/include"))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The smallest tree that builds, with one program and one header; all of it a minute old."""
    for directory in ("bpf/common", "vmlinux"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "bpf" / "answer.bpf.c").write_text(PROGRAM)
    (tmp_path / "bpf" / "common" / "answer.bpf.h").write_text("#define ANSWER 2\n")
    (tmp_path / "vmlinux" / "vmlinux.h").write_text(TYPES)
    for path in tmp_path.rglob("*.[ch]"):
        _age(path, seconds=60)
    return tmp_path


def _age(path: Path, seconds: int) -> None:
    then_ns = path.stat().st_mtime_ns - seconds * 1_000_000_000
    os.utime(path, ns=(then_ns, then_ns))


def _executable(path: Path) -> Path:
    path.write_text("#!/bin/sh\nexit 0\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(("arch", "define"), [("x86_64", "x86"), ("aarch64", "arm64")])
def test_command_line_is_for_bpf_and_for_the_requested_architecture(arch: str, define: str) -> None:
    argv = build_bpf.clang_argv(Path("bpf/tc.bpf.c"), Path("out/tc.bpf.o"), arch, TOOLS)

    assert argv[0] == "clang-99"
    assert argv[argv.index("-target") + 1] == "bpf"
    assert {"-g", "-O2", "-mcpu=v3", "-Werror", "-fno-strict-aliasing"} < set(argv)
    assert [word for word in argv if word.startswith("-D")] == [f"-D__TARGET_ARCH_{define}"]
    assert argv[argv.index("-idirafter") + 1] == "/opt/libbpf/include"
    assert argv[-4:] == ["-c", "bpf/tc.bpf.c", "-o", "out/tc.bpf.o"]


def test_object_is_whole_stripped_and_free_of_the_checkouts_path(checkout: Path) -> None:
    (made,) = build_bpf.build(checkout)

    facts = bpfobject.inspect(made)
    assert made == checkout / "trafficmon" / "_bpf" / "answer.bpf.o"
    assert bpfobject.defects(facts) == ()
    assert [(program.section, program.name) for program in facts.programs] == [("xdp", "answer")]
    assert str(checkout).encode() not in made.read_bytes()


def test_same_sources_make_the_same_bytes_elsewhere(checkout: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "else" / "where"
    for directory in ("bpf", "vmlinux"):
        shutil.copytree(checkout / directory, elsewhere / directory)

    (here,) = build_bpf.build(checkout)
    (there,) = build_bpf.build(elsewhere)

    assert here.read_bytes() == there.read_bytes()


def test_nothing_is_compiled_when_nothing_changed(checkout: Path) -> None:
    (made,) = build_bpf.build(checkout)
    before_ns = made.stat().st_mtime_ns

    build_bpf.build(checkout)
    assert made.stat().st_mtime_ns == before_ns

    build_bpf.build(checkout, force=True)
    assert made.stat().st_mtime_ns > before_ns


@pytest.mark.parametrize(
    "changed", ["bpf/answer.bpf.c", "bpf/common/answer.bpf.h", "vmlinux/vmlinux.h"]
)
def test_a_newer_source_or_header_is_compiled(checkout: Path, changed: str) -> None:
    (made,) = build_bpf.build(checkout)
    _age(made, seconds=30)
    before_ns = made.stat().st_mtime_ns

    (checkout / changed).touch()
    build_bpf.build(checkout)

    assert made.stat().st_mtime_ns > before_ns


def test_another_architecture_is_compiled_again(checkout: Path) -> None:
    (checkout / "bpf" / "common" / "answer.bpf.h").write_text(
        "#ifdef __TARGET_ARCH_arm64\n#define ANSWER 1\n#else\n#define ANSWER 2\n#endif\n"
    )
    (made,) = build_bpf.build(checkout, "x86_64")
    for_x86 = made.read_bytes()

    build_bpf.build(checkout, "aarch64")

    assert made.read_bytes() != for_x86


def test_object_without_a_source_is_taken_away(checkout: Path) -> None:
    build_bpf.build(checkout)
    orphan = checkout / "trafficmon" / "_bpf" / "gone.bpf.o"
    orphan.write_bytes(b"")

    build_bpf.build(checkout)

    assert not orphan.exists()


def test_failed_compilation_shows_the_place_and_keeps_the_old_object(checkout: Path) -> None:
    (made,) = build_bpf.build(checkout)
    before = made.read_bytes()
    (checkout / "bpf" / "common" / "answer.bpf.h").write_text("#define ANSWER nowhere_declared\n")

    with pytest.raises(build_bpf.BuildError, match=r"answer\.bpf\.c does not compile") as raised:
        build_bpf.build(checkout)

    assert "nowhere_declared" in str(raised.value)
    assert made.read_bytes() == before
    assert not list(made.parent.glob("*.tmp"))


def test_a_header_that_needs_what_it_does_not_include_is_named(checkout: Path) -> None:
    build_bpf.check_headers(checkout)
    (checkout / "bpf" / "common" / "needy.bpf.h").write_text("static __u32 answer(void);\n")

    with pytest.raises(build_bpf.BuildError, match=r"common/needy\.bpf\.h does not compile alone"):
        build_bpf.check_headers(checkout)

    build_bpf.build(checkout)  # no program includes it


def test_object_the_kernel_would_refuse_is_not_shipped(checkout: Path) -> None:
    source = checkout / "bpf" / "answer.bpf.c"
    source.write_text(PROGRAM.replace("Dual BSD/GPL", "Proprietary"))

    with pytest.raises(build_bpf.BuildError, match=r"answer\.bpf\.o.*'Proprietary'"):
        build_bpf.build(checkout)

    assert not list((checkout / "trafficmon" / "_bpf").glob("*.bpf.o"))


def test_unknown_architecture_and_empty_tree_are_named(checkout: Path, tmp_path: Path) -> None:
    with pytest.raises(build_bpf.BuildError, match="no BPF build for riscv64"):
        build_bpf.build(checkout, "riscv64")
    with pytest.raises(build_bpf.BuildError, match="run this in a checkout"):
        build_bpf.build(tmp_path / "bpf")


def test_plain_tool_name_wins_then_the_highest_version(tmp_path: Path) -> None:
    for name in ("clang-9", "clang-14", "clang-format-19", "clang++-20"):
        _executable(tmp_path / name)
    (tmp_path / "clang-21").write_text("not executable")

    assert build_bpf.newest_tool("clang", str(tmp_path)) == str(tmp_path / "clang-14")

    plain = _executable(tmp_path / "clang")
    assert build_bpf.newest_tool("clang", str(tmp_path)) == str(plain)


def test_environment_variable_names_the_tool(tmp_path: Path) -> None:
    _executable(tmp_path / "clang")
    chosen = _executable(tmp_path / "my-clang")
    environ = {"PATH": str(tmp_path), "CLANG": "my-clang"}

    assert build_bpf.find_tool("clang", "CLANG", "clang", environ) == str(chosen)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({}, r"^clang not found: apt-get install clang \(or set CLANG"),
        ({"CLANG": "/nowhere/clang"}, r"^CLANG=/nowhere/clang is not a program"),
    ],
)
def test_missing_tool_is_said_in_one_line_with_the_remedy(
    tmp_path: Path, environ: dict[str, str], message: str
) -> None:
    with pytest.raises(build_bpf.BuildError, match=message) as raised:
        build_bpf.find_toolchain({"PATH": str(tmp_path), **environ})

    assert "\n" not in str(raised.value)


def test_missing_headers_are_said_in_one_line_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(build_bpf.BuildError, match="apt-get install libbpf-dev"):
        build_bpf.find_libbpf_include([tmp_path])

    (tmp_path / "bpf").mkdir()
    (tmp_path / "bpf" / "bpf_helpers.h").touch()
    assert build_bpf.find_libbpf_include([tmp_path / "none", tmp_path]) == tmp_path


def test_script_runs_by_itself_and_fails_without_a_traceback(tmp_path: Path) -> None:
    bare = {"PATH": str(tmp_path)}  # no clang here
    command = [sys.executable, "-I", "-S", str(build_bpf.ROOT / "build_bpf.py"), "--force"]

    done = subprocess.run(command, env=bare, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr.startswith("build_bpf: clang not found: apt-get install clang")
    assert done.stderr.count("\n") == 1
