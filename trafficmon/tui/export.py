# SPDX-License-Identifier: MIT
"""What is shown, into files."""

from __future__ import annotations

from pathlib import Path

from trafficmon.render.csvout import write_csv
from trafficmon.render.jsonout import write_json
from trafficmon.tables.table import Record


def export(records: list[Record], stem: Path) -> None:
    """``stem``.json and ``stem``.csv; OSError where they cannot be made, or are there already."""
    with stem.with_suffix(".json").open("x", encoding="utf-8") as stream:
        write_json(records, stream)
    with stem.with_suffix(".csv").open("x", encoding="utf-8") as stream:
        write_csv(records, list(records[0]), stream)
