# SPDX-License-Identifier: MIT
"""When an address was given for a name: what is needed to name a connection by its beginning.

Answers that follow each other with the same name are one sighting, as long as no other name comes
between them and none of them had run out. So sightings of an address do not overlap, and of any
moment the newest answer before it is in the sighting that began last before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

GRACE_S = 10.0
"""How long after an answer a connection may begin in any case: a TTL of 0 means that the answer is
for the connection that follows at once, and programs take a moment between the two."""

_ORDER_S = 0.01
"""A flow's first packet is known to the jiffy only."""


@dataclass(frozen=True)
class Sighting:
    """``asker``: owner_id of the process that sent the query, 0 where not known.

    Times are seconds since 1970.
    The answers came from ``seen`` to ``last_seen``; the last to run out does so at ``expires``.
    """

    name: str
    asker: int
    seen: float
    last_seen: float
    expires: float

    @property
    def usable_until(self) -> float:
        """Until when a connection that begins is named by it."""
        return max(self.expires, self.last_seen + GRACE_S)

    def holds(self, begin: float) -> bool:
        """Whether a connection that begins then may have been opened by one of the answers."""
        return self.seen <= begin + _ORDER_S and begin <= self.usable_until

    def joined(self, later: Sighting) -> Sighting | None:
        """With the answers of ``later``; None where they are another sighting."""
        if (self.name, self.asker) != (later.name, later.asker):
            return None
        if not self.last_seen <= later.seen <= self.usable_until:
            return None
        expires = max(self.expires, later.expires)
        return replace(self, last_seen=later.last_seen, expires=expires)


def add(known: list[Sighting], more: Iterable[Sighting]) -> None:
    """Append ``more``, in order of time, to the sightings of the same address."""
    for sighting in more:
        joined = known[-1].joined(sighting) if known else None
        if joined is None:
            known.append(sighting)
        else:
            known[-1] = joined
