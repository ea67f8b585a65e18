# SPDX-License-Identifier: MIT
"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from trafficmon.errors import UsageError

PinDir: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--pin-dir",
        help="Where maps and links are pinned.",
        envvar="TRAFFICMON_PIN_DIR",
        show_default="/sys/fs/bpf/trafficmon",
        readable=False,  # not checked here: the command itself says why, with exit code 4
    ),
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="One JSON document.")]
FromFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="FILE",
        help="Show what 'trafficmon record FILE' has recorded, here or elsewhere.",
    ),
]
At: TypeAlias = Annotated[
    str | None,
    typer.Option("--at", metavar="TIME", help="Of a recording: 22:00, 5m (before its end), …"),
]


def require_recording(at: str | None, from_file: Path | None) -> None:
    """UsageError for a time without the recording that it is of."""
    if at is not None and from_file is None:
        raise UsageError("--at needs a recording: add --from FILE")
