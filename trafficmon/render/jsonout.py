# SPDX-License-Identifier: MIT
"""Records as a JSON array."""

from collections.abc import Iterable, Mapping
from typing import TextIO

from trafficmon.render.plain import to_json


def write_json(records: Iterable[Mapping[str, object]], stream: TextIO) -> None:
    """Write `records` to `stream` as one JSON array with one record per line, as they come.

    The comma goes ahead of the next record, so that every line is whole as soon as it is written.
    """
    stream.write("[\n")
    comma = ""
    for record in records:
        stream.write(f"{comma}{to_json(record)}\n")
        comma = ","
    stream.write("]\n")
