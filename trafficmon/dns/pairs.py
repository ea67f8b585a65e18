# SPDX-License-Identifier: MIT
"""Which answer belongs to which question, and how long it took."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

_MOST_OPEN = 65536
_LONGEST_NS = 60_000_000_000


@dataclass(frozen=True)
class Party:
    """Both ends of a query: the client's address and port, the server's, and the IP protocol."""

    client: bytes
    client_port: int
    server: bytes
    server_port: int
    protocol: int


@dataclass(frozen=True)
class Question:
    """One that waits."""

    at_ns: int
    owner_id: int


class Pairs:
    """Open questions. The first counts where one is sent again with the same id."""

    def __init__(self) -> None:
        self._open: OrderedDict[tuple[Party, int, str | None, str | None], Question] = OrderedDict()

    def add(
        self, party: Party, id_: int, name: str | None, type_: str | None, question: Question
    ) -> None:
        """A question has passed."""
        key = (party, id_, name, type_)
        known = self._open.get(key)
        if known is None or question.at_ns - known.at_ns > _LONGEST_NS:
            self._open.pop(key, None)
            self._open[key] = question
        if len(self._open) > _MOST_OPEN:
            self._open.popitem(last=False)

    def answer(
        self, party: Party, id_: int, name: str | None, type_: str | None, at_ns: int
    ) -> Question | None:
        """The question that this is the answer to, once."""
        question = self._open.pop((party, id_, name, type_), None)
        if question is None or not 0 <= at_ns - question.at_ns <= _LONGEST_NS:
            return None
        return question
