# SPDX-License-Identifier: MIT
"""Kernels of Debian's, unpacked into a cache: the machine's own packages are not touched."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

_SUITES = (
    "bullseye",
    "bookworm",
    "bookworm-backports",
    "trixie",
    "trixie-backports",
    "sid",
    "experimental",
)
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_FORMAT = "$(REPO_URI)"
_UNWANTED = ("-rt-", "unsigned", "dbg")


def cache_directory() -> Path:
    """Where kernels are kept between runs."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "trafficmon" / "kernels"


def fetch(version: str, arch: str = "amd64") -> Path:
    """The folder of the newest cloud kernel whose version begins with ``version``; "" the newest.

    LookupError when Debian has none.
    """
    known = sorted(cache_directory().glob(f"{version}[.-]*-cloud-{arch}/.done")) if version else []
    if known:
        return known[-1].parent
    apt = _Apt(cache_directory() / f"apt-{arch}", arch)
    name = _newest(apt.names(), version, arch)
    folder = cache_directory() / name.removeprefix("linux-image-")
    if not (folder / ".done").exists():
        _unpack(apt, name, folder)
    return folder


def _newest(names: list[str], version: str, arch: str) -> str:
    requested = rf"{re.escape(version)}[.+-].*" if version else r"\d+\.\d+.*"
    pattern = re.compile(rf"linux-image-{requested}-cloud-{arch}")
    found = [n for n in names if pattern.fullmatch(n) and not any(u in n for u in _UNWANTED)]
    if not found:
        raise LookupError(f"Debian has no cloud kernel {version} for {arch}")
    return max(found, key=_sortable)


def _sortable(name: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", name)]


def _unpack(apt: _Apt, name: str, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    packages = folder / "debs"
    packages.mkdir(parents=True)
    version = name.removeprefix("linux-image-")
    apt.download(name, packages)
    for more in (f"linux-binary-{version}", f"linux-modules-{version}"):
        if apt.has(more):
            apt.download(more, packages)
    for package in sorted(packages.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
    shutil.rmtree(packages)
    if not (folder / "lib" / "modules").is_dir():
        (folder / "lib").mkdir(exist_ok=True)
        (folder / "lib" / "modules").symlink_to("../usr/lib/modules")
    release = next((folder / "lib" / "modules").iterdir()).name
    subprocess.run(["depmod", "-b", folder, release], check=True)
    (folder / ".done").touch()


class _Apt:
    """apt with lists and archives of its own, of all suites that have kernels."""

    def __init__(self, folder: Path, arch: str) -> None:
        for part in ("lists/partial", "archives/partial", "cache"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / "status").touch()
        (folder / "sources.list").write_text(_sources())
        (folder / "apt.conf").write_text(_configuration(folder, arch))
        self._environment = {**os.environ, "APT_CONFIG": str(folder / "apt.conf")}
        if not list((folder / "lists").glob("*Packages*")):
            self._run("apt-get", "-qq", "update")

    def _run(self, *argv: str, directory: Path | None = None) -> str:
        done = subprocess.run(
            argv, env=self._environment, cwd=directory, check=True, capture_output=True, text=True
        )
        return done.stdout

    def names(self) -> list[str]:
        """The kernels."""
        return self._run("apt-cache", "pkgnames", "linux-image-").split()

    def has(self, name: str) -> bool:
        """Whether there is such a package."""
        return name in self._run("apt-cache", "pkgnames", name).split()

    def download(self, name: str, folder: Path) -> None:
        """The package file."""
        self._run("apt-get", "-qq", "download", name, directory=folder)


def _sources() -> str:
    """From where the machine itself gets Debian."""
    listing = ["apt-get", "indextargets", "--format", _FORMAT, "Created-By: Packages"]
    mirrors = subprocess.run(listing, check=True, capture_output=True, text=True).stdout.split()
    mirror = next(one for one in mirrors if re.search(r"/debian/?$", one))
    return "".join(f"deb [signed-by={_KEYRING}] {mirror} {suite} main\n" for suite in _SUITES)


def _configuration(folder: Path, arch: str) -> str:
    return f"""
Dir::State::Lists "{folder}/lists"; Dir::State::status "{folder}/status";
Dir::Etc::sourcelist "{folder}/sources.list"; Dir::Etc::sourceparts "-";
Dir::Cache "{folder}/cache"; Dir::Cache::archives "{folder}/archives";
APT::Architecture "{arch}"; APT::Architectures {{ "{arch}"; }}; APT::Sandbox::User "root";
Acquire::Languages "none"; Acquire::PDiffs "false";
"""
