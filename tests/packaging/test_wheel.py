# SPDX-License-Identifier: MIT
"""The wheel that `make wheel` makes: what is in it, and that it works away from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

import build_bpf
from trafficmon import bpfobject


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from this checkout with the build tools of this environment, so without any network."""
    directory = tmp_path_factory.mktemp("dist")
    options = ["--quiet", "--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir"]
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, str(directory), str(build_bpf.ROOT)],
        check=True,
    )
    (made,) = directory.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel unpacked, as in a site-packages directory."""
    directory = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(directory)
    return directory


def test_tag_names_the_stable_abi_and_this_machine(wheel: Path) -> None:
    machine = sysconfig.get_platform().replace("-", "_")

    assert wheel.name.endswith(f"-cp311-abi3-{machine}.whl")


def test_every_bpf_program_is_in_it_and_fit_to_load(site: Path) -> None:
    sources = {path.stem for path in (build_bpf.ROOT / "bpf").glob("*.bpf.c")}
    objects = {path.stem: path for path in (site / "trafficmon" / "_bpf").iterdir()}

    assert set(objects) == sources
    for path in objects.values():
        assert bpfobject.defects(bpfobject.inspect(path)) == ()


def test_binding_exports_its_entry_only_and_searches_no_directory_of_this_machine(
    site: Path,
) -> None:
    with (site / "trafficmon" / "libbpf" / "_native.abi3.so").open("rb") as stream:
        elf = ELFFile(stream)
        sections = list(elf.iter_sections())
        dynamic_tags = {
            tag.entry.d_tag
            for section in sections
            if isinstance(section, DynamicSection)
            for tag in section.iter_tags()
        }
        exported = {
            symbol.name
            for section in sections
            if isinstance(section, SymbolTableSection)
            for symbol in section.iter_symbols()
            if symbol["st_shndx"] != "SHN_UNDEF" and symbol["st_info"]["bind"] == "STB_GLOBAL"
        }

    assert "DT_NEEDED" in dynamic_tags
    assert not dynamic_tags & {"DT_RPATH", "DT_RUNPATH"}
    assert exported == {"PyInit__native"}


def test_no_file_of_it_names_the_checkout(site: Path) -> None:
    checkout = str(build_bpf.ROOT).encode()

    assert [p for p in site.rglob("*") if p.is_file() and checkout in p.read_bytes()] == []


def test_licences_and_typing_marker_come_along(site: Path) -> None:
    (info,) = site.glob("trafficmon-*.dist-info")
    metadata = HeaderParser().parsestr((info / "METADATA").read_text())

    assert metadata["License-Expression"] == "MIT AND (BSD-2-Clause OR GPL-2.0-only)"
    for name in metadata.get_all("License-File", []):
        assert (info / "licenses" / name).stat().st_size > 0
    assert len(metadata.get_all("License-File", [])) == 3
    assert (site / "trafficmon" / "py.typed").is_file()


def test_tests_and_build_tools_stay_out(site: Path) -> None:
    (info,) = site.glob("trafficmon-*.dist-info")

    assert {path.name for path in site.iterdir()} == {"trafficmon", info.name}


def test_it_runs_away_from_the_checkout(site: Path, tmp_path: Path) -> None:
    # -P: not the current directory; PYTHONPATH comes before this environment's editable install
    code = (
        "import trafficmon, trafficmon.libbpf._native, trafficmon.cli.main as m; "
        "print(trafficmon.__file__); m.main()"
    )
    command = [sys.executable, "-P", "-c", code, "--version"]
    environ = {**os.environ, "PYTHONPATH": str(site)}

    done = subprocess.run(
        command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
    )

    origin, version = done.stdout.splitlines()
    assert Path(origin).is_relative_to(site)
    assert site.joinpath(f"trafficmon-{version.split()[-1]}.dist-info").is_dir()
