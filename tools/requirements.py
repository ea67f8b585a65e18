# SPDX-License-Identifier: MIT
"""Prints requirements out of pyproject.toml: `requirements.py build|test|lint|vm|newest|lowest`.

`build` is what [build-system] requires; `vm` what the tests need in a virtual machine, where numpy
is Debian's; `newest` all that building, running and testing need, `lowest` the same in the lowest
versions allowed. Debian 12's pip (23.0) cannot read dependency groups.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

_NOT_IN_MACHINES = ("numpy", "aiohttp", "textual-serve")  # Debian's; what has no kernel in it
PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def project() -> dict[str, Any]:
    """pyproject.toml."""
    with PYPROJECT.open("rb") as stream:
        return tomllib.load(stream)


def requirements(group: str) -> list[str]:
    """The requirement lines of `group`. Raises KeyError for a group that is not there."""
    whole = project()
    if group == "build":
        return [str(line) for line in whole["build-system"]["requires"]]
    run_and_test = whole["project"]["dependencies"] + whole["dependency-groups"]["test"]
    if group == "vm":
        return [str(line) for line in run_and_test if not line.startswith(_NOT_IN_MACHINES)]
    if group in ("newest", "lowest"):
        every = [str(line) for line in whole["build-system"]["requires"] + run_and_test]
        return every if group == "newest" else [lowest(line) for line in every]
    return [str(line) for line in whole["dependency-groups"][group]]


def lowest(requirement: str) -> str:
    """`name>=1.2,<3` as `name==1.2`."""
    name, _, bounds = requirement.partition(">=")
    return f"{name}=={bounds.split(',')[0]}"


if __name__ == "__main__":
    print("\n".join(requirements(sys.argv[1])))
