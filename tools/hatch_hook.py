# SPDX-License-Identifier: MIT
"""Hatchling's build hook: makes the BPF objects and the libbpf binding before a wheel is packed."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# hatchling loads this file by its path, so neither directory is on the search path yet
sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

import build_native  # noqa: E402 - needs the line above

import build_bpf  # noqa: E402 - needs the line above


class TrafficmonBuildHook(BuildHookInterface):  # type: ignore[type-arg] # the parameter is hatchling's own
    """Compiles in place, for editable installs and wheels alike; an sdist carries sources only."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - interface
        """Build, and tag the wheel for what is in it. `version` is "editable" or "standard"."""
        if self.target_name != "wheel":
            return
        root = Path(self.root)
        try:
            build_bpf.build(root)
            build_native.build(root)
        except (build_bpf.BuildError, build_native.NativeBuildError) as error:
            self.app.abort(str(error))
        machine = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"cp311-abi3-{machine}"
