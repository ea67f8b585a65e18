# SPDX-License-Identifier: MIT
"""How a row is written in a file: CSV or JSON lines."""

from __future__ import annotations

import csv
import io
import json
from typing import Protocol

from trafficmon.render.plain import to_json
from trafficmon.userlog.row import FIELDS, Row
from trafficmon.userlog.sinks.base import Totals


class Form(Protocol):
    """A format of rows."""

    suffix: str
    header: bytes

    def line(self, row: Row) -> bytes:
        """With its newline."""

    def totals(self, line: bytes) -> Totals | None:
        """The totals in a line, which later rows continue; None where it is not a row."""


class Csv:
    """The contract's."""

    suffix = "log"
    header = (",".join(FIELDS) + "\n").encode()

    def line(self, row: Row) -> bytes:
        """Null is an empty cell."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(row.values().values())
        return text.getvalue().encode()

    def totals(self, line: bytes) -> Totals | None:
        """None for the header."""
        cells = line.decode(errors="replace").split(",")
        return _totals(*cells[4:7]) if len(cells) == len(FIELDS) else None


class JsonLines:
    """One object a line, with the uid and the interface in it."""

    suffix = "jsonl"
    header = b""

    def line(self, row: Row) -> bytes:
        """Null is null."""
        return (to_json(as_object(row)) + "\n").encode()

    def totals(self, line: bytes) -> Totals | None:
        """None where it is not an object of this log."""
        try:
            row = json.loads(line)
            return _totals(row["timestamp"], row["total_in"], row["total_out"])
        except (ValueError, KeyError, TypeError):
            return None


def as_object(row: Row) -> dict[str, object]:
    """A row that is by itself."""
    return {"uid": row.uid, "nic": row.nic, **row.values()}


def _totals(timestamp: object, total_in: object, total_out: object) -> Totals | None:
    seconds, dot, nanoseconds = str(timestamp).partition(".")
    try:
        at_ns = int(seconds) * 10**9 + int(nanoseconds if dot else 0)
        return Totals(int(str(total_in)), int(str(total_out)), at_ns)
    except ValueError:  # the header, or a stranger's line
        return None
