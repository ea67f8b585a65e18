# SPDX-License-Identifier: MIT
"""Packages that are missing, or cannot run here: one message that says which, and what helps."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import build_bpf
from trafficmon import objects
from trafficmon.cli.imports import missing_package
from trafficmon.errors import BrokenObjectError

START = "import sys; {patch}; from trafficmon.__main__ import start; start()"
NUMPY_ON_AN_OLD_CPU = (
    "raise RuntimeError('NumPy was built with baseline optimizations: \\n(X86_V2) but your machine "
    "doesn\\'t support:\\n(X86_V2).')"
)
NUMPY_BROKEN = """
try:
    raise ImportError("libblas.so.3: cannot open shared object file")
except ImportError as error:
    raise ImportError("IMPORTANT: PLEASE READ\\n\\nOriginal error was: libblas.so.3") from error
"""
COMMANDS = [
    ("status",),
    ("top", "flows"),
    ("doctor",),
    ("attach", "--iface", "lo"),
    ("detach",),
    ("events",),
    ("capture",),
    ("log", "--dir", "/nonexistent"),
    ("tui",),
]


def run(*command: str, patch: str = "pass", first: Path | None = None) -> str:
    """Standard error of the command, which is to fail with 1; ``first`` on the module path."""
    path = os.pathsep.join(str(one) for one in (first, build_bpf.ROOT) if one)
    argv = [sys.executable, "-c", START.format(patch=patch), *command]
    environment = {**os.environ, "PYTHONPATH": path, "TRAFFICMON_PIN_DIR": "/sys/fs/bpf/tmnone"}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, (done.stdout, done.stderr)
    return done.stderr


def refusal(said: str) -> str:
    assert said.startswith("trafficmon: ")
    assert said.count("\n") == 1
    assert "Traceback" not in said
    assert "internal error" not in said
    return said


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "numpy").mkdir()
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_numpy_that_the_processor_cannot_run(place: Path, command: tuple[str, ...]) -> None:
    (place / "numpy" / "__init__.py").write_text(NUMPY_ON_AN_OLD_CPU)
    said = refusal(run(*command, first=place))
    assert "this numpy cannot run on this processor" in said
    assert "X86_V2" in said
    assert "apt-get install python3-numpy" in said


def test_a_numpy_that_cannot_be_loaded(place: Path) -> None:
    (place / "numpy" / "__init__.py").write_text(NUMPY_BROKEN)
    said = refusal(run("status", first=place))
    assert "numpy cannot be loaded (Original error was: libblas.so.3)" in said
    assert "--force-reinstall" in said


@pytest.mark.parametrize(
    ("module", "package", "command"),
    [
        ("typer", "typer", ("status",)),
        ("numpy", "numpy", ("top", "flows")),
        ("dns", "dnspython", ("events",)),
        ("pyroute2", "pyroute2", ("attach", "--iface", "lo", "--layer", "tc")),
        ("elftools", "pyelftools", ("doctor",)),
        ("textual", "textual", ("tui",)),
        ("_cffi_backend", "cffi", ("status",)),
    ],
)
def test_a_package_that_is_missing(module: str, package: str, command: tuple[str, ...]) -> None:
    said = refusal(run(*command, patch=f"sys.modules[{module!r}] = None"))
    assert f"the Python package {package} is missing" in said
    assert f"{sys.executable} -m pip install {package}" in said


def error_of(module: str) -> ImportError:
    with pytest.raises(ImportError) as raised:
        importlib.import_module(module)
    return raised.value


def test_a_module_of_the_standard_library_that_was_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As Debian's python3-minimal does."""
    monkeypatch.setitem(sys.modules, "sqlite3", None)
    said = str(missing_package(error_of("sqlite3")))
    assert (
        f"this Python ({sys.executable}) lacks the module sqlite3 of its standard library" in said
    )


def test_a_part_of_ours_that_is_missing() -> None:
    said = str(missing_package(error_of("trafficmon.nothing")))
    assert "lacks a part of trafficmon itself" in said


def test_other_errors_are_none_of_a_missing_package() -> None:
    with pytest.raises(UnicodeDecodeError) as raised:
        b"\xff".decode("ascii")
    assert missing_package(raised.value) is None


LOADER = {
    "libbpf.so.1: cannot open shared object file: No such file or directory": (
        "libbpf is missing",
        "apt-get install libbpf1",
    ),
    "/lib/libbpf.so.1: version `LIBBPF_1.1.0' not found (required by _native.abi3.so)": (
        "libbpf.so.1 is older than this was built for",
        "libbpf 1.1 or newer",
    ),
    "_native.abi3.so: undefined symbol: PyErr_Nonsense": ("cannot be loaded", "make build"),
}


@pytest.mark.parametrize("words", LOADER)
def test_a_binding_that_the_loader_refuses(words: str) -> None:
    patch = (
        "import importlib.machinery as m; old = m.ExtensionFileLoader.create_module; "
        "m.ExtensionFileLoader.create_module = lambda self, spec: "
        f"(_ for _ in ()).throw(ImportError({words!r}, name=spec.name)) "
        "if spec.name.endswith('_native') else old(self, spec)"
    )
    said = refusal(run("status", patch=patch))
    for part in LOADER[words]:
        assert part in said


def test_a_binding_that_is_not_built() -> None:
    said = refusal(run("status", patch="sys.modules['trafficmon.libbpf._native'] = None"))
    assert "not built" in said
    assert "make build" in said


def test_an_object_that_the_package_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "DIRECTORY", tmp_path)
    with pytest.raises(BrokenObjectError) as raised:
        objects.path_of("tc")
    said = str(raised.value)
    assert said.endswith("is missing; build it with 'make bpf', or install the package again")
    assert raised.value.exit_code == 1


def test_debug_shows_the_traceback() -> None:
    for module in ("typer", "numpy"):
        said = run("--debug", "status", patch=f"sys.modules[{module!r}] = None")
        assert "Traceback" in said
