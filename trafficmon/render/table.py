# SPDX-License-Identifier: MIT
"""Records as an aligned text table."""

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Final, TextIO

from trafficmon.render.columns import Column, cell_text
from trafficmon.render.width import cell_width, clip, pad

MEASURED: Final = 1000
"""Rows that are looked at before the first is written."""

_GAP: Final = "  "
_BOLD: Final = "\x1b[1m"
_PLAIN: Final = "\x1b[0m"


def write_table(
    records: Iterable[Mapping[str, object]],
    columns: Sequence[Column],
    stream: TextIO,
    width: int | None = None,
) -> None:
    """Write `records` to `stream` as a table with a header.

    Without `width` the table fits a terminal, and is as wide as it needs to be elsewhere. Columns
    are as wide as the first MEASURED rows need them, so that a million rows begin at once. The
    header is bold on a terminal, unless the environment has NO_COLOR or a TERM of dumb.
    """
    on_terminal = stream.isatty()
    if width is None and on_terminal:
        width = shutil.get_terminal_size().columns
    lines = _lines(records, columns, width)
    header = next(lines)
    if on_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb":
        header = f"{_BOLD}{header}{_PLAIN}"
    stream.writelines(f"{line}\n" for line in chain([header], lines))


def table_lines(
    records: Iterable[Mapping[str, object]], columns: Sequence[Column], width: int | None
) -> list[str]:
    """Lines of the table, the header first; none wider than `width` columns, if that is given.

    Raises KeyError when a record lacks a column: records never leave one out.
    """
    return list(_lines(records, columns, width))


def _lines(
    records: Iterable[Mapping[str, object]], columns: Sequence[Column], width: int | None
) -> Iterator[str]:
    titles = [column.title for column in columns]
    rows = (
        [cell_text(record[column.name], column.kind) for column in columns] for record in records
    )
    measured = list(islice(rows, MEASURED))
    natural = [max(map(cell_width, cells)) for cells in zip(titles, *measured, strict=True)]
    widths = _fitted(columns, natural, width)
    for row in chain([titles], measured, rows):
        yield _line(row, columns, widths, width)


def _line(
    cells: list[str], columns: Sequence[Column], widths: dict[int, int], width: int | None
) -> str:
    parts = []
    for at, room in widths.items():
        is_cut = width is not None and columns[at].kind == "text"
        cell = clip(cells[at], room) if is_cut else cells[at]
        parts.append(pad(cell, room, right_aligned=columns[at].align == "right"))
    line = _GAP.join(parts).rstrip()
    return line if width is None else clip(line, width)


def _fitted(columns: Sequence[Column], natural: list[int], width: int | None) -> dict[int, int]:
    """Width of each column that is shown, by its place among `columns`."""
    widths = dict(enumerate(natural))
    if width is None:
        return widths
    # A number that is cut would be another number: only text may get narrower.
    least = {
        at: min(room, columns[at].min_width) if columns[at].kind == "text" else room
        for at, room in widths.items()
    }
    for at in sorted(least, key=lambda at: (-columns[at].priority, -at)):
        if _total(least) <= width or columns[at].priority == 0:
            break
        del least[at]
    widths = {at: widths[at] for at in least}
    while _total(widths) > width and widths != least:
        widest = max((at for at in widths if widths[at] > least[at]), key=widths.__getitem__)
        widths[widest] -= 1
    return widths


def _total(widths: dict[int, int]) -> int:
    return sum(widths.values()) + len(_GAP) * (len(widths) - 1)
