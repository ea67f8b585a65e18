# SPDX-License-Identifier: MIT
"""A root file system of another architecture, with this checkout in it: unpacked, never run here.

Debian's packages, PyPI's wheels for that architecture, the BPF objects compiled for it, and the
libbpf binding by a cross compiler. Kept in the cache while the lists of packages and of wheels are
the same; the checkout's part is made anew each time.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock

import build_bpf
from tests.kernel.probe import made_elsewhere
from tests.vm.fetch import cache_directory

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = (
    "bash,base-passwd,bpftool,busybox-static,coreutils,dash,ethtool,findutils,grep,iperf3,iproute2,"
    "iputils-ping,kmod,libbpf-dev,libc6-dev,libcap2-bin,mount,nftables,procps,python3,python3-dev,sed,socat,"
    "tcpdump,tshark,util-linux"
)
_LIBRARIES = "/opt/site"
_CHECKOUT = "/opt/trafficmon"
_making = Lock()


@dataclass(frozen=True)
class Architecture:
    """What other tools call it."""

    debian: str
    machine: str  # uname -m
    compiler: str
    wheels: tuple[str, ...]
    include: str


ARM64 = Architecture(
    debian="arm64",
    machine="aarch64",
    compiler="aarch64-linux-gnu-gcc",
    wheels=("manylinux_2_28_aarch64", "manylinux2014_aarch64"),
    include="usr/include/aarch64-linux-gnu",
)


@dataclass(frozen=True)
class System:
    """Where it is, and how its Python is started in the checkout within."""

    root: Path

    checkout = _CHECKOUT
    python = f"PYTHONPATH={_LIBRARIES} /usr/bin/python3"


def prepare(architecture: Architecture) -> System:
    """The system, with what this checkout is now. Several kernels boot it at the same time."""
    with _making:
        return _prepared(architecture)


@cache
def _prepared(architecture: Architecture) -> System:
    root, wheels = cache_directory().parent / f"root-{architecture.debian}", _requested_wheels()
    reported = "\n".join([_PACKAGES, *wheels, platform.python_version()])
    done = root / ".done"
    if not done.exists() or done.read_text(encoding="utf-8") != reported:
        shutil.rmtree(root, ignore_errors=True)
        root.parent.mkdir(parents=True, exist_ok=True)
        _unpack_packages(root, architecture)
        _unpack_wheels(root, architecture, wheels)
        shutil.copy(root / "usr/share/base-passwd/passwd.master", root / "etc/passwd")
        shutil.copy(root / "usr/share/base-passwd/group.master", root / "etc/group")
        done.write_text(reported, encoding="utf-8")
    _put_checkout(root, architecture)
    return System(root)


def _unpack_packages(root: Path, architecture: Architecture) -> None:
    """Without running anything of theirs: that would need their processor."""
    how = [f"--architectures={architecture.debian}", "--variant=extract", "--quiet"]
    lists = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*.*")]
    sources = [str(one) for one in lists if one.exists() and one.stat().st_size]
    command = ["mmdebstrap", *how, f"--include={_PACKAGES}", "bookworm", str(root), *sources]
    subprocess.run(command, check=True)


def _requested_wheels() -> list[str]:
    """Requirements; on this machine's architecture the VMs have Debian's numpy."""
    reported = [sys.executable, str(_ROOT / "tools" / "requirements.py"), "vm"]
    requested = subprocess.run(reported, check=True, capture_output=True, text=True).stdout.split(
        "\n"
    )
    return [*(line for line in requested if line), "numpy"]


def _unpack_wheels(root: Path, architecture: Architecture, wheels: list[str]) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    platforms = [part for wheel in architecture.wheels for part in ("--platform", wheel)]
    how = ["--target", f"{root}{_LIBRARIES}", "--python-version", "3.11", *platforms]
    subprocess.run([*pip, *how, "--only-binary=:all:", *wheels], check=True)


def _put_checkout(root: Path, architecture: Architecture) -> None:
    target = root / _CHECKOUT.lstrip("/")
    shutil.rmtree(target, ignore_errors=True)
    listed = ["git", "-C", str(_ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.splitlines()
    for name in names:
        if (_ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(_ROOT / name, target / name)
    build = [sys.executable, str(target / "build_bpf.py"), "--arch", architecture.machine]
    subprocess.run([*build, "--quiet"], check=True)
    for source in (target / "tests" / "kernel").glob("*.bpf.c"):
        object_path = made_elsewhere(target, source)
        object_path.parent.mkdir(parents=True, exist_ok=True)
        toolchain = build_bpf.find_toolchain()
        argv = build_bpf.clang_argv(source, object_path, architecture.machine, toolchain)
        subprocess.run(argv, cwd=target, check=True)
    _compile_binding(root, target, architecture)


def _compile_binding(root: Path, target: Path, architecture: Architecture) -> None:
    builder = target / "trafficmon" / "libbpf" / "_builder.py"
    source, extension = target / "_native.c", builder.with_name("_native.abi3.so")
    emit = "import runpy, sys; runpy.run_path(sys.argv[1])['ffibuilder'].emit_c_code(sys.argv[2])"
    subprocess.run([sys.executable, "-c", emit, str(builder), str(source)], check=True)
    includes = [root / "usr/include/python3.11", root / architecture.include, root / "usr/include"]
    flags = ["-shared", "-fPIC", "-O2", "-DPy_LIMITED_API=0x030b0000", f"--sysroot={root}"]
    include = [part for path in includes for part in ("-isystem", str(path))]
    command = [architecture.compiler, *flags, *include, str(source), "-o", str(extension), "-lbpf"]
    subprocess.run(command, check=True)
