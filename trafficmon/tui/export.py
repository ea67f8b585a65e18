# SPDX-License-Identifier: MIT
"""What is shown, into files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from trafficmon.render.csvout import write_csv
from trafficmon.render.jsonout import write_json
from trafficmon.tables.table import Record


def export(records: list[Record], stem: Path) -> None:
    """``stem``.json and ``stem``.csv; OSError where they cannot be made, or are there already."""
    fields = dict.fromkeys(name for record in records for name in record)
    whole = [dict.fromkeys(fields) | record for record in records]  # events differ in their fields
    with _whole_file(stem.with_suffix(".json")) as stream:
        write_json(records, stream)
    with _whole_file(stem.with_suffix(".csv")) as stream:
        write_csv(whole, list(fields), stream)


@contextmanager
def _whole_file(path: Path) -> Iterator[TextIO]:
    """A new file; none is left when it cannot be written to its end."""
    stream = path.open("x", encoding="utf-8")
    try:
        with stream:
            yield stream
    except BaseException:
        path.unlink(missing_ok=True)
        raise
