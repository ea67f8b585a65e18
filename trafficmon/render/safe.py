# SPDX-License-Identifier: MIT
"""Text that came from strangers (DNS names, comm, cgroup paths), made harmless where it goes."""

from typing import Final

# What spreadsheets take for the beginning of a formula, also in full width.
_FORMULA_STARTS: Final = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def escape_controls(text: str) -> str:
    r"""`text` with every character that is not printable as its escape, such as \x1b or \u202e.

    Not printable in Unicode's sense: C0 and C1 controls, line separators, bidirectional and other
    format controls, lone surrogates, private and unassigned characters, spaces other than " ".
    A backslash stays as it is, since systemd's own names have \x2d in them.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def guard_formula(text: str) -> str:
    """`text` with an apostrophe ahead if a spreadsheet would take it for a formula."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
