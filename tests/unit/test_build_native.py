# SPDX-License-Identifier: MIT
"""tools/build_native.py: compiles the binding when needed, free of this machine's paths."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import build_native
import pytest

if TYPE_CHECKING:
    from pathlib import Path

BUILDER = """\
import cffi

ffibuilder = cffi.FFI()
ffibuilder.cdef("int answer(void);")
ffibuilder.set_source("trafficmon.libbpf._native", "static int answer(void) { return 42; }")
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A tree whose binding is one function of our own."""
    builder = tmp_path / build_native.BUILDER
    builder.parent.mkdir(parents=True)
    builder.write_text(BUILDER)
    return tmp_path


def test_extension_is_named_for_the_stable_abi_and_works(checkout: Path) -> None:
    made = build_native.build(checkout)

    assert made == checkout / "trafficmon" / "libbpf" / "_native.abi3.so"
    loaded = build_native.load_module("trafficmon_test_native._native", made)
    assert loaded.lib.answer() == 42


def test_it_is_compiled_again_only_when_its_sources_changed(checkout: Path) -> None:
    made = build_native.build(checkout)
    before_ns = made.stat().st_mtime_ns

    build_native.build(checkout)
    assert made.stat().st_mtime_ns == before_ns

    later_ns = before_ns + 1_000_000_000
    os.utime(checkout / build_native.BUILDER, ns=(later_ns, later_ns))
    build_native.build(checkout)
    assert made.stat().st_mtime_ns != before_ns


def test_search_path_of_this_python_does_not_leak(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LDFLAGS", "-Wl,-rpath,/somewhere/lib")

    with pytest.raises(build_native.NativeBuildError, match=r"_native.*(RPATH|RUNPATH)"):
        build_native.build(checkout)

    assert not (checkout / build_native.EXTENSION).exists()


def test_what_does_not_compile_is_said_with_the_packages_it_needs(
    checkout: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (checkout / build_native.BUILDER).write_text(BUILDER.replace("return 42", "return nowhere"))

    with pytest.raises(build_native.NativeBuildError, match=r"does not compile.*libbpf-dev"):
        build_native.build(checkout)

    assert "nowhere" in capfd.readouterr().err  # the compiler's own words


def test_missing_builder_is_named(tmp_path: Path) -> None:
    with pytest.raises(build_native.NativeBuildError, match=r"_builder\.py is missing"):
        build_native.build(tmp_path)


def test_callers_environment_is_left_as_it_was(checkout: Path) -> None:
    before = dict(os.environ)

    build_native.build(checkout)

    assert dict(os.environ) == before
