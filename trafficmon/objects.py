# SPDX-License-Identifier: MIT
"""Where the compiled BPF objects are."""

from __future__ import annotations

from pathlib import Path

from trafficmon.errors import BrokenObjectError

DIRECTORY = Path(__file__).resolve().parent / "_bpf"


def path_of(name: str) -> Path:
    """The object called ``name`` ("xdp", "tc")."""
    path = DIRECTORY / f"{name}.bpf.o"
    if not path.is_file():
        raise BrokenObjectError(
            f"{path} is missing; build it with 'make bpf', or install the package again"
        )
    return path
