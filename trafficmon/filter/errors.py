# SPDX-License-Identifier: MIT
"""A mistake in an expression, shown with a caret under the place."""

from typing import Final

from trafficmon.errors import UsageError

_EXCERPT_COLUMNS: Final = 76
_EXCERPT_BEFORE: Final = 30
_QUOTED_CHARACTERS: Final = 40


class FilterError(UsageError):
    """An expression that cannot be parsed, or uses what a table does not have.

    str() is three lines: what is wrong with its remedy, the expression (or the part around the
    mistake, when it is long), and carets under the place.

    Attributes: `problem` the first line alone; `expression` as it was given; `start`, `end` the
    place of the mistake in it, in characters; `expected` the words that could stand there, when
    the mistake is that the expression ends too early.
    """

    def __init__(
        self,
        problem: str,
        expression: str,
        span: tuple[int, int],
        expected: tuple[str, ...] = (),
    ) -> None:
        super().__init__(problem, expression, span, expected)
        self.problem = problem
        self.expression = expression
        self.start, self.end = span
        self.expected = expected

    def __str__(self) -> str:
        return f"{self.problem}\n{_excerpt(self.expression, self.start, self.end)}"


def quoted(text: str) -> str:
    """`text` in single quotes for a message: control characters escaped, cut when long."""
    shown = "".join(_visible(text[:_QUOTED_CHARACTERS]))
    return f"'{shown}…'" if len(text) > _QUOTED_CHARACTERS else f"'{shown}'"


def _visible(text: str) -> list[str]:
    """What to show for each character of `text`: itself, or its escape if it is not printable.

    What Unicode calls not printable covers C0, C1, bidirectional controls and lone surrogates.
    """
    return [
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    ]


def _excerpt(expression: str, start: int, end: int) -> str:
    cells = _visible(expression)
    first, last = _window(cells, start)
    ahead = ("…" if first > 0 else "") + "".join(cells[first:start])
    marked = "".join(cells[start : min(end, last)])
    rest = "".join(cells[min(end, last) : last]) + ("…" if last < len(cells) else "")
    indent = _columns(ahead)
    carets = max(1, _columns(ahead + marked) - indent)
    return f"{ahead}{marked}{rest}\n{' ' * indent}{'^' * carets}"


def _window(cells: list[str], start: int) -> tuple[int, int]:
    """First and past-last cell to show, so that the line fits and holds the cell at `start`."""
    widths = [_columns(cell) for cell in cells]
    if sum(widths) <= _EXCERPT_COLUMNS:
        return 0, len(cells)
    first, used = start, 0
    while first > 0 and used + widths[first - 1] <= _EXCERPT_BEFORE:
        first -= 1
        used += widths[first]
    last = start
    while last < len(cells) and used + widths[last] <= _EXCERPT_COLUMNS:
        used += widths[last]
        last += 1
    return first, last


def _columns(text: str) -> int:
    """Width of printable `text` on a terminal."""
    if text.isascii():
        return len(text)
    # Imported here because it takes longer than the rest of a short command, and few need it.
    from wcwidth import wcswidth  # noqa: PLC0415

    columns = wcswidth(text)
    return columns if columns >= 0 else len(text)
