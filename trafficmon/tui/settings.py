# SPDX-License-Identifier: MIT
"""What the dashboard remembers: a small JSON file of the user's own."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from trafficmon.host.own_files import read_own, replace_own

_MOST_BYTES = 65_536


def usual_path() -> Path:
    """Below $XDG_CONFIG_HOME."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path("~/.config").expanduser())
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
        """What is not there, not to be read, or damaged is as none; so is each value by itself."""
        made = cls()
        try:
            summary = json.loads(read_own(path, _MOST_BYTES))
        except (OSError, ValueError, RecursionError):
            return made
        if not isinstance(summary, dict):
            return made
        for one in fields(cls):
            value = summary.get(one.name)
            if type(value) is type(getattr(made, one.name)):
                setattr(made, one.name, value)
        made.sort = {name: order for name, order in made.sort.items() if _is_order(order)}
        return made

    def save(self, path: Path) -> None:
        """As well as it can be: a dashboard is not worth failing for its memory."""
        with suppress(OSError):
            replace_own(path, json.dumps(asdict(self)).encode())


def _is_order(value: object) -> bool:
    """The name of a field, and whether the other way round."""
    match value:
        case [str() | None, bool()]:
            return True
        case _:
            return False
