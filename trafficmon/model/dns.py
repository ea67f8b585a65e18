# SPDX-License-Identifier: MIT
"""DNS names that were queried, with their counts."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass
class NameCounts:
    """Of one name and type; ``latencies_us`` of the latest answers, oldest first."""

    queries: int = 0
    responses: int = 0
    rcodes: Counter[str] = field(default_factory=Counter)  # of responses, by their names
    last_seen: float = 0.0
    latencies_us: array[int] = field(default_factory=lambda: array("I"))


NameKey = tuple[str, str, str]
"""Kind (dns, mdns, llmnr), name, type."""


class Dns(NamedTuple):
    """``names`` with their counts.

    ``why_incomplete``: why messages are missing that the source could not read, for people.
    """

    names: list[tuple[NameKey, NameCounts]]
    why_incomplete: str | None = None
