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

_NOT_IN_MACHINES = ("numpy", "textual-serve")  # the one is Debian's, the other has no kernel in it
PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def requirements(group: str) -> list[str]:
    """The requirement lines of `group`. Raises KeyError for a group that is not there."""
    with PYPROJECT.open("rb") as stream:
        project = tomllib.load(stream)
    if group == "build":
        return [str(line) for line in project["build-system"]["requires"]]
    run_and_test = project["project"]["dependencies"] + project["dependency-groups"]["test"]
    if group == "vm":
        return [str(line) for line in run_and_test if not line.startswith(_NOT_IN_MACHINES)]
    if group in ("newest", "lowest"):
        every = [str(line) for line in project["build-system"]["requires"] + run_and_test]
        return every if group == "newest" else [lowest(line) for line in every]
    return [str(line) for line in project["dependency-groups"][group]]


def lowest(requirement: str) -> str:
    """`name>=1.2,<3` as `name==1.2`."""
    name, _, bounds = requirement.partition(">=")
    return f"{name}=={bounds.split(',')[0]}"


if __name__ == "__main__":
    print("\n".join(requirements(sys.argv[1])))
