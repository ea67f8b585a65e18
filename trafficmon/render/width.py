# SPDX-License-Identifier: MIT
"""How wide text is on a terminal, and cutting it to a width."""

from typing import Final

ELLIPSIS: Final = "…"


def cell_width(text: str) -> int:
    """Terminal columns of `text`, which has no control characters."""
    if text.isascii():
        return len(text)
    # Imported here because it takes longer than the rest of a short command, and few need it.
    from wcwidth import wcswidth  # noqa: PLC0415

    width = wcswidth(text)
    return width if width >= 0 else len(text)


def clip(text: str, width: int) -> str:
    """`text`, or where it is wider than `width` columns its beginning with an ellipsis."""
    if cell_width(text) <= width:
        return text
    if width < 1:
        return ""
    # Mostly a character takes one column; those that take two are what is taken away again.
    kept = text[: width - 1]
    while cell_width(kept) > width - 1:
        kept = kept[:-1]
    return kept + ELLIPSIS


def pad(text: str, width: int, *, right_aligned: bool) -> str:
    """`text` with spaces to `width` columns."""
    spaces = " " * (width - cell_width(text))
    return spaces + text if right_aligned else text + spaces
