# SPDX-License-Identifier: MIT
"""Compiles bpf/*.bpf.c to trafficmon/_bpf/*.bpf.o with clang.

Needs the standard library only, so that it runs before anything is installed:
`python build_bpf.py [--arch x86_64|aarch64] [--force|--check-headers]`.
What did not change is not compiled again.
The environment variables CLANG and LLVM_STRIP name the tools; without them PATH is searched.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ROOT = Path(__file__).resolve().parent

# The machine as `uname -m` prints it -> libbpf's name for it (bpf_tracing.h: a probe's registers).
TARGET_ARCH = {"x86_64": "x86", "aarch64": "arm64"}


class BuildError(Exception):
    """The objects cannot be made; the message says why and what to do about it."""


@dataclass(frozen=True)
class Toolchain:
    """The programs and headers that turn C into a BPF object."""

    clang: str
    llvm_strip: str
    libbpf_include: Path


def clang_argv(source: Path, output: Path, arch: str, toolchain: Toolchain) -> list[str]:
    """The command that compiles `source` for `arch` (a key of TARGET_ARCH).

    It is to be run in the checkout, to which both paths are relative. -mcpu=v3 brings 32-bit jumps
    and is what every kernel since 5.1 understands. -g makes the BTF, with the place of the checkout
    kept out of it: the same sources make the same bytes anywhere.
    """
    return [
        toolchain.clang,
        *("-target", "bpf", "-mcpu=v3", "-g", "-O2", "-fno-strict-aliasing"),
        *("-Wall", "-Wextra", "-Werror"),
        "-Wno-unused-parameter",  # the hook gives the signature, not the program
        f"-D__TARGET_ARCH_{TARGET_ARCH[arch]}",
        "-fdebug-compilation-dir=.",
        *("-Ivmlinux", "-Ibpf", "-idirafter", str(toolchain.libbpf_include)),
        *("-c", str(source), "-o", str(output)),
    ]


def header_argv(header: Path, arch: str, toolchain: Toolchain) -> list[str]:
    """The command that checks that `header`, a path in the checkout, compiles by itself."""
    flags = clang_argv(header, header, arch, toolchain)[:-4]
    return [*flags, "-fsyntax-only", "-x", "c", str(header)]


def newest_tool(name: str, path: str | None = None) -> str | None:
    """The program `name` on `path` (default: PATH), else the highest `name-NN`, else None."""
    if plain := shutil.which(name, path=path):
        return plain
    directories = (path if path is not None else os.environ.get("PATH", "")).split(os.pathsep)
    pattern = re.compile(re.escape(name) + r"-(\d+)")
    versions = {
        int(match[1]): entry
        for directory in map(Path, directories)
        if directory.is_dir()
        for entry in (file.name for file in directory.iterdir())
        if (match := pattern.fullmatch(entry)) and shutil.which(entry, path=path)
    }
    return shutil.which(versions[max(versions)], path=path) if versions else None


def find_tool(name: str, variable: str, package: str, environ: Mapping[str, str]) -> str:
    """The program that `variable` names, or the newest `name`. Raises BuildError for none."""
    if chosen := environ.get(variable):
        if found := shutil.which(chosen, path=environ.get("PATH")):
            return found
        raise BuildError(f"{variable}={chosen} is not a program: correct it or unset it")
    if found := newest_tool(name, environ.get("PATH")):
        return found
    raise BuildError(
        f"{name} not found: apt-get install {package} (or set {variable} to the program)"
    )


def find_libbpf_include(candidates: Iterable[Path] | None = None) -> Path:
    """The directory that holds bpf/bpf_helpers.h: pkg-config's, else one of the usual places."""
    for directory in candidates if candidates is not None else _include_candidates():
        if (directory / "bpf" / "bpf_helpers.h").is_file():
            return directory
    raise BuildError("libbpf's headers (bpf/bpf_helpers.h) not found: apt-get install libbpf-dev")


def _include_candidates() -> list[Path]:
    usual = [Path("/usr/include"), Path("/usr/local/include")]
    pkg_config = shutil.which("pkg-config")
    if pkg_config is None:
        return usual
    answer = subprocess.run(
        [pkg_config, "--variable=includedir", "libbpf"], capture_output=True, text=True, check=False
    )
    return [Path(answer.stdout.strip()), *usual] if answer.stdout.strip() else usual


def find_toolchain(environ: Mapping[str, str] = os.environ) -> Toolchain:
    """Everything that a build needs; BuildError names the first thing that is missing."""
    return Toolchain(
        clang=find_tool("clang", "CLANG", "clang", environ),
        llvm_strip=find_tool("llvm-strip", "LLVM_STRIP", "llvm", environ),
        libbpf_include=find_libbpf_include(),
    )


def is_stale(output: Path, inputs: Iterable[Path], argv: Sequence[str]) -> bool:
    """Whether `output` is missing, older than one of `inputs`, or was made by another command."""
    record = _argv_record(output)
    if not output.is_file() or not record.is_file() or record.read_text() != "\n".join(argv):
        return True
    made_ns = output.stat().st_mtime_ns
    return any(path.stat().st_mtime_ns > made_ns for path in inputs)


def _argv_record(output: Path) -> Path:
    return output.with_suffix(".argv")


def compile_object(output: Path, argv: Sequence[str], llvm_strip: str, root: Path) -> None:
    """Runs `argv`, which ends with `output`; strips, checks and only then places the object.

    An interrupted or failed build so leaves the old object, or none: never half of one.
    """
    unfinished = output.with_suffix(f".{os.getpid()}.tmp")
    try:
        _run([*argv[:-1], str(unfinished)], root, f"{argv[-3]} does not compile")
        _run([llvm_strip, "-g", str(unfinished)], root, f"{output.name} cannot be stripped")
        check(unfinished, output.name)
        unfinished.replace(output)
    finally:
        unfinished.unlink(missing_ok=True)
    _argv_record(output).write_text("\n".join(argv))


def _run(argv: Sequence[str], root: Path, failure: str) -> None:
    done = subprocess.run(argv, cwd=root, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise BuildError(
            f"{failure} ({argv[0]} ended with {done.returncode})\n{done.stderr}".rstrip()
        )


def check(path: Path, name: str) -> None:
    """Raises BuildError, speaking of `name`, when the object lacks what shipping it needs.

    The reading is trafficmon.bpfobject's, which needs pyelftools: where that is not installed yet,
    the check is left out and says so.
    """
    try:
        from trafficmon import bpfobject, errors  # noqa: PLC0415 - needs pyelftools, see above
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("elftools"):
            raise
        print(f"{name}: not checked, pyelftools is not installed", file=sys.stderr)
        return
    try:
        defects = bpfobject.defects(bpfobject.inspect(path))
    except errors.BrokenObjectError as error:
        raise BuildError(str(error)) from error
    if defects:
        raise BuildError(f"{name} must not be shipped: {'; '.join(defects)}")


def build(
    root: Path = ROOT, arch: str | None = None, *, force: bool = False, quiet: bool = False
) -> list[Path]:
    """Makes the objects of all bpf/*.bpf.c below `root` that are not up to date.

    Returns every object, compiled now or before. `arch` is a key of TARGET_ARCH, by default this
    machine's.
    """
    arch = arch or platform.machine()
    if arch not in TARGET_ARCH:
        raise BuildError(f"no BPF build for {arch}: give --arch one of {', '.join(TARGET_ARCH)}")
    sources = sorted((root / "bpf").glob("*.bpf.c"))
    if not sources:
        raise BuildError(f"no bpf/*.bpf.c in {root}: run this in a checkout of trafficmon")
    toolchain = find_toolchain()
    headers = [*(root / "bpf").rglob("*.h"), *(root / "vmlinux").rglob("*.h")]
    outputs = [root / "trafficmon" / "_bpf" / f"{source.stem}.o" for source in sources]
    _prepare(outputs[0].parent, outputs)
    for source, output in zip(sources, outputs, strict=True):
        argv = clang_argv(source.relative_to(root), output.relative_to(root), arch, toolchain)
        if force or is_stale(output, [source, *headers], argv):
            compile_object(output, argv, toolchain.llvm_strip, root)
            if not quiet:
                print(f"{source.relative_to(root)} -> {output.relative_to(root)}")
    return outputs


def check_headers(root: Path = ROOT, arch: str | None = None) -> None:
    """BuildError for the first header below bpf/ that does not include all that it uses."""
    toolchain = find_toolchain()
    for header in sorted((root / "bpf").rglob("*.h")):
        argv = header_argv(header.relative_to(root), arch or platform.machine(), toolchain)
        _run(argv, root, f"{argv[-1]} does not compile alone")


def _prepare(directory: Path, outputs: Sequence[Path]) -> None:
    """Makes the directory, and removes objects without a source: they would be shipped."""
    directory.mkdir(parents=True, exist_ok=True)
    for orphan in set(directory.glob("*.bpf.o")).difference(outputs):
        orphan.unlink()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: 0 when every object is up to date, 1 with one clear line when not."""
    parser = argparse.ArgumentParser(description="Compile bpf/*.bpf.c to trafficmon/_bpf/*.bpf.o.")
    parser.add_argument("--arch", choices=sorted(TARGET_ARCH), help="default: this machine's")
    parser.add_argument("--force", action="store_true", help="compile also what did not change")
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    parser.add_argument(
        "--check-headers", action="store_true", help="only check that each header compiles alone"
    )
    options = parser.parse_args(arguments)
    try:
        if options.check_headers:
            check_headers(arch=options.arch)
            return 0
        build(arch=options.arch, force=options.force, quiet=options.quiet)
    except BuildError as error:
        print(f"build_bpf: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
