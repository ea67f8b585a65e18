# SPDX-License-Identifier: MIT
"""Lines for people: names from outside cannot send control sequences to the terminal.

Names of interfaces, cgroups, files, users and what the command line has may hold escape sequences
(the kernel lets an interface be called anything without "/", ":" and blanks).
"""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """On standard output."""
    print(_harmless(text))


def complain(text: str) -> None:
    """On standard error, at once."""
    print(_harmless(text), file=sys.stderr, flush=True)


def _harmless(text: str) -> str:
    """Lines stay lines: messages have several, and no name that is shown in one has a newline."""
    if text.isascii() and text.replace("\n", "").isprintable() and "\\x" not in text:
        return text
    from trafficmon.render.safe import escape_controls

    return "\n".join(escape_controls(line) for line in text.split("\n"))
