# SPDX-License-Identifier: MIT
"""The comment of a captured packet: who it belongs to, as `name=value` words.

A value of letters, digits and a few signs stands as it is. Any other is a JSON string (RFC 8259, 7)
with nothing unprintable in it: a process may call itself `x pid=1 uid=0`, and a reader has to see
that this is one value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,~-]+")


def comment_of(fields: Mapping[str, str | int | None]) -> str | None:
    """What is not known is left out; None where nothing is."""
    known = {name: str(value) for name, value in fields.items() if value is not None}
    return " ".join(f"{name}={_quoted(value)}" for name, value in known.items()) or None


def _quoted(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    return '"' + "".join(map(_escaped, value)) + '"'


def _escaped(char: str) -> str:
    return char if char.isprintable() and char not in '"\\' else json.dumps(char)[1:-1]
