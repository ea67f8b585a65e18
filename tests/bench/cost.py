# SPDX-License-Identifier: MIT
"""Nanoseconds a packet of the three contenders, and how they compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from tests.bench.report import Row

LIMIT = 1.3  # ours to plain


@dataclass(frozen=True)
class Cost:
    """One place of measurement, ``where`` being its columns of the table; all in ns a packet."""

    where: Row
    empty: float
    plain: float
    ours: float

    @classmethod
    def of(
        cls,
        where: Row,
        measured: Mapping[str, Sequence[float]],
        choose: Callable[[Sequence[float]], float],
    ) -> Self:
        """From the rounds of each contender, of which ``choose`` makes one figure."""
        return cls(where, **{name: choose(rounds) for name, rounds in measured.items()})

    @property
    def ratio(self) -> float:
        """Ours to plain, as measured."""
        return self.ours / self.plain

    @property
    def net_ratio(self) -> float:
        """The same without what an empty program costs too: the call, and the measuring."""
        return (self.ours - self.empty) / (self.plain - self.empty)

    def row(self) -> Row:
        """Of the table."""
        return {
            **self.where,
            "empty_ns": self.empty,
            "plain_ns": self.plain,
            "ours_ns": self.ours,
            "plain-empty": self.plain - self.empty,
            "ours-empty": self.ours - self.empty,
            "ours/plain": self.ratio,
            "net ratio": self.net_ratio,
        }


def too_dear(costs: Sequence[Cost]) -> list[Row]:
    """The rows in which ours costs more than LIMIT times what plain does."""
    return [cost.row() for cost in costs if cost.ratio > LIMIT]
