# SPDX-License-Identifier: MIT
"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

PinDir: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--pin-dir",
        help="Where maps and links are pinned.",
        envvar="TRAFFICMON_PIN_DIR",
        show_default="/sys/fs/bpf/trafficmon",
        readable=False,  # not looked into here: who may not read it is told why, with exit code 4
    ),
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="One JSON document.")]
