# SPDX-License-Identifier: MIT
"""What the dashboard remembers: a small JSON file of the user's own."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self


def usual_path() -> Path:
    """Below $XDG_CONFIG_HOME."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "trafficmon" / "tui.json"


@dataclass
class Settings:
    """Everything has a value that will do; what the file has beside it is left out."""

    theme: str = "textual-dark"
    bits: bool = False
    totals: bool = False
    tab: str = "overview"
    sort: dict[str, list[Any]] = field(default_factory=dict)  # table: field, reverse

    @classmethod
    def load(cls, path: Path) -> Self:
        """A file that is not there, or damaged, is as none."""
        made = cls()
        with suppress(OSError, ValueError, AttributeError):
            told = json.loads(path.read_text(encoding="utf-8"))
            for one in fields(cls):
                value = told.get(one.name)
                if isinstance(value, type(getattr(made, one.name))):
                    setattr(made, one.name, value)
        return made

    def save(self, path: Path) -> None:
        """As well as it can be: a dashboard is not worth failing for its memory."""
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = path.with_suffix(".new")
            fresh.write_text(json.dumps(asdict(self)), encoding="utf-8")
            fresh.replace(path)
