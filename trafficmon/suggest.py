# SPDX-License-Identifier: MIT
"""The word that a misspelt one may have meant."""

from __future__ import annotations

from collections.abc import Iterable


def closest(word: str, known: Iterable[str]) -> str | None:
    """The one of ``known`` most like ``word``; None when none is like it."""
    import difflib  # 15 ms, and only mistakes need it

    found = difflib.get_close_matches(word, list(known), 1)
    return found[0] if found else None
