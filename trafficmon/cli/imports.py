# SPDX-License-Identifier: MIT
"""What is missing where a package that trafficmon needs cannot be imported.

Imports nothing but the standard library: it is to work where little else does.
"""

from __future__ import annotations

import sys
import traceback
from types import TracebackType

from trafficmon.errors import MissingPackageError

DISTRIBUTIONS = {
    "_cffi_backend": "cffi",
    "dns": "dnspython",
    "elftools": "pyelftools",
    "numpy": "numpy",
    "pyroute2": "pyroute2",
    "rich": "rich",
    "textual": "textual",
    "textual_serve": "textual-serve",
    "typer": "typer",
    "wcwidth": "wcwidth",
}
"""By what is imported."""


def missing_package(error: BaseException) -> MissingPackageError | None:
    """``error`` in our words, if it comes of an import; else None."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if name := _imported(cause):
            return MissingPackageError(_sentence(name, cause))
        cause = cause.__cause__
    return None


def _imported(error: BaseException) -> str | None:
    """The top of the package that was being imported when ``error`` was raised."""
    below = _below_ours(error.__traceback__)
    if below is not None:
        return below
    if isinstance(error, ImportError) and error.name:
        return error.name.partition(".")[0]
    return None


def _below_ours(trace: TracebackType | None) -> str | None:
    """Where the last line of ours is an import: the package of the module that ran."""
    found: str | None = None
    for frame, _ in traceback.walk_tb(trace):
        module = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if module == "trafficmon":
            found = None
        elif found is None and module not in ("importlib", "_frozen_importlib"):
            found = module if frame.f_code.co_name == "<module>" else ""
    return found or None


def _sentence(name: str, error: BaseException) -> str:
    if name == "trafficmon":
        return f"this installation lacks a part of trafficmon itself ({error}); install it again"
    package = DISTRIBUTIONS.get(name, name)
    install = f"{sys.executable} -m pip install {package}"
    if name in sys.stdlib_module_names:
        return (
            f"this Python ({sys.executable}) lacks the module {name} of its standard library "
            f"({_first_line(error)}); install all of it (apt-get install python3)"
        )
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == name:
        return f"the Python package {package} is missing; install it: {install}"
    if name == "numpy" and "baseline" in str(error):
        reason = " ".join(str(error).split())
        return (
            f"this numpy cannot run on this processor ({reason}); take one that runs on all: "
            "apt-get install python3-numpy, in an environment made by "
            "'python3 -m venv --system-site-packages'"
        )
    return (
        f"the Python package {package} cannot be loaded ({_first_line(error)}); "
        f"install it again: {install} --force-reinstall"
    )


def _first_line(error: BaseException) -> str:
    """Some packages put a page of advice into the message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith("Original error was")] or lines
    return telling[0] if telling else type(error).__name__
