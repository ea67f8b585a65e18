# SPDX-License-Identifier: MIT
"""What is shown, into files."""

from __future__ import annotations

from pathlib import Path

from trafficmon.render.csvout import write_csv
from trafficmon.render.jsonout import write_json
from trafficmon.tables.table import Record


def export(records: list[Record], stem: Path) -> None:
    """``stem``.json and ``stem``.csv; OSError where they cannot be made, or are there already."""
    fields = dict.fromkeys(name for record in records for name in record)
    whole = [dict.fromkeys(fields) | record for record in records]  # events differ in their fields
    with stem.with_suffix(".json").open("x", encoding="utf-8") as stream:
        write_json(records, stream)
    with stem.with_suffix(".csv").open("x", encoding="utf-8") as stream:
        write_csv(whole, list(fields), stream)
