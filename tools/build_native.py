# SPDX-License-Identifier: MIT
"""Compiles the libbpf binding: trafficmon/libbpf/_builder.py -> trafficmon/libbpf/_native.abi3.so.

`python tools/build_native.py [--force]` needs cffi and setuptools, a C compiler, Python's headers
and libbpf-dev. The stable ABI makes one file do for every CPython from 3.11 on.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import shlex
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
BUILDER = Path("trafficmon/libbpf/_builder.py")
EXTENSION = Path("trafficmon/libbpf/_native.abi3.so")

_PACKAGES = "apt-get install gcc libc6-dev python3-dev libbpf-dev pkg-config"


class NativeBuildError(Exception):
    """The binding cannot be compiled; the message says why and what to do about it."""


def build(root: Path = ROOT, *, force: bool = False, quiet: bool = False) -> Path:
    """Compiles the binding of the checkout at `root` unless it is up to date; returns its path."""
    output = root / EXTENSION
    if force or _is_stale(root, output):
        compiled = _compile(root)
        check_extension(compiled)
        shutil.copyfile(compiled, unfinished := output.with_suffix(".tmp"))
        unfinished.replace(output)
        if not quiet:
            print(f"{BUILDER} -> {EXTENSION}")
    return output


def _is_stale(root: Path, output: Path) -> bool:
    if not output.is_file():
        return True
    binding = root / BUILDER.parent
    inputs = [
        Path(__file__),
        *(path for name in ("_build*.py", "*.c", "*.h") for path in binding.rglob(name)),
        *(root / "bpf").rglob("*.h"),
    ]
    return any(path.stat().st_mtime_ns > output.stat().st_mtime_ns for path in inputs)


def _compile(root: Path) -> Path:
    ffibuilder = load_module("trafficmon_libbpf_builder", root / BUILDER).ffibuilder
    work = root / "build" / "native"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    with _compiler_environment():
        try:
            made = ffibuilder.compile(tmpdir=str(work), target=EXTENSION.name)
        except (
            Exception
        ) as error:  # whatever cffi, distutils or setuptools raise: they share no base
            raise NativeBuildError(
                f"the libbpf binding does not compile: {error}. Needed: {_PACKAGES}"
            ) from error
    return Path(made)


def load_module(name: str, path: Path) -> Any:
    """The Python file or extension at `path` as a module, without importing the package around it.

    For the builder that package is trafficmon.libbpf, which imports the extension about to be made.
    """
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise NativeBuildError(f"{path} is missing: run this in a checkout of trafficmon")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def _compiler_environment() -> Iterator[None]:
    """Our own compiler and linker flags instead of those that this Python was built with.

    Those may carry a search path to where Python's builder kept its libraries (pyenv's do), which
    has no business in a file that is shipped. What the caller set stays.
    """
    before = dict(os.environ)
    compiler = os.environ.get("CC") or _default_compiler()
    os.environ["CC"] = compiler
    os.environ.setdefault("CFLAGS", "-O2 -g0 -fvisibility=hidden")
    os.environ.setdefault("LDSHARED", f"{compiler} -shared -Wl,--strip-all -Wl,-z,relro -Wl,-z,now")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _default_compiler() -> str:
    """The compiler this Python was built with where it is installed, else plain `cc`."""
    configured = str(sysconfig.get_config_var("CC") or "cc")
    return configured if shutil.which(shlex.split(configured)[0]) else "cc"


def check_extension(path: Path) -> None:
    """Raises NativeBuildError when the extension would search directories of this machine."""
    with path.open("rb") as stream:
        dynamic = [s for s in ELFFile(stream).iter_segments() if isinstance(s, DynamicSegment)]
        tags = {tag.entry.d_tag for segment in dynamic for tag in segment.iter_tags()}
    if leaked := tags & {"DT_RPATH", "DT_RUNPATH"}:
        raise NativeBuildError(
            f"{path.name} carries {' '.join(leaked)}: unset LDFLAGS and LDSHARED"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: 0 when the extension is up to date, 1 with the reason when not."""
    parser = argparse.ArgumentParser(description="Compile the libbpf binding.")
    parser.add_argument("--force", action="store_true", help="compile even if nothing changed")
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    options = parser.parse_args(arguments)
    try:
        build(force=options.force, quiet=options.quiet)
    except NativeBuildError as error:
        print(f"build_native: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
