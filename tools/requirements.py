# SPDX-License-Identifier: MIT
"""Prints the requirements of one group of pyproject.toml: `requirements.py build|test|lint|vm`.

`build` is what [build-system] requires; `vm` what the tests need in a virtual machine, where numpy
is Debian's. Debian 12's pip (23.0) cannot read dependency groups.
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
    if group == "vm":
        every = project["project"]["dependencies"] + project["dependency-groups"]["test"]
        return [str(line) for line in every if not line.startswith(_NOT_IN_MACHINES)]
    return [str(line) for line in project["dependency-groups"][group]]


if __name__ == "__main__":
    print("\n".join(requirements(sys.argv[1])))
