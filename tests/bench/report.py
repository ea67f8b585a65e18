# SPDX-License-Identifier: MIT
"""The tables that a benchmark prints, and the same in build/bench/*.json for later comparison."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from trafficmon import __version__

_ROOT = Path(__file__).resolve().parents[2]
_DIRECTORY = _ROOT / "build" / "bench"

Cell = str | int | float
Row = Mapping[str, Cell]


def publish(name: str, title: str, rows: Sequence[Row]) -> None:
    """Print ``rows`` (all with the same columns) under ``title``, and add them to NAME.json."""
    machine = machine_facts()
    print(f"\n\n{title}\n{_machine_line(machine)}\n\n{format_table(rows)}\n")
    _append(name, {"title": title, "machine": machine, "rows": [dict(row) for row in rows]})


def machine_facts() -> dict[str, Cell]:
    """What a figure depends on besides the code."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "trafficmon": __version__,
        "kernel": platform.release(),
        "cpu": _cpu_model(),
        "cpus": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 2),
    }


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()  # arm64 does not say


def _machine_line(machine: Mapping[str, Cell]) -> str:
    return " · ".join(f"{name} {value}" for name, value in machine.items())


def format_table(rows: Sequence[Row]) -> str:
    """Text to the left, numbers to the right, in columns as wide as they need."""
    columns = list(rows[0])
    lines = [columns, *([_text(row[column]) for column in columns] for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
    left = [isinstance(rows[0][column], str) for column in columns]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if is_text else cell.rjust(width)
            for cell, width, is_text in zip(line, widths, left, strict=True)
        ).rstrip()
        for line in lines
    )


def _text(cell: Cell) -> str:
    if isinstance(cell, float):
        return f"{cell:,.2f}" if abs(cell) < 10 else f"{cell:,.1f}"
    return f"{cell:,}" if isinstance(cell, int) else cell


def _append(name: str, record: Mapping[str, object]) -> None:
    _DIRECTORY.mkdir(parents=True, exist_ok=True)
    path = _DIRECTORY / f"{name}.json"
    runs = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    path.write_text(json.dumps([*runs, record], indent=1) + "\n", encoding="utf-8")
    owner = _ROOT.stat()
    for made in (_DIRECTORY.parent, _DIRECTORY, path):  # not root's, whose checkout it is not
        os.chown(made, owner.st_uid, owner.st_gid)
