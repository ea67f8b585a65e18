# SPDX-License-Identifier: MIT
"""Names of remote addresses, as answers to this host's questions gave them.

A connection has the name that its address had when it began: of answers before that the newest.
Where the address had several names at that time, one that the same process queried comes before
one that its cgroup queried, and that before any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trafficmon.model.sightings import Sighting

_Who = tuple[int, int, int]
_NOBODY: _Who = (0, 0, 0)


@dataclass(frozen=True)
class RemoteNames:
    """``addresses``: sightings by address, in order of time; ``askers``: who asked, by owner_id."""

    addresses: Mapping[str, list[Sighting]]
    askers: Mapping[int, _Who] = field(default_factory=dict)

    @classmethod
    def with_askers(
        cls, addresses: Mapping[str, list[Sighting]], owner_of: Callable[[int], Any]
    ) -> RemoteNames:
        """``owner_of``: the owner (OWNER) of an owner_id, None where it is not known."""
        askers = {one.asker for known in addresses.values() for one in known} - {0}
        return cls(addresses, {one: _who(owner_of(one)) for one in askers})

    def __contains__(self, address: str) -> bool:
        """Whether the address, without a zone, had any name at any time."""
        return address in self.addresses

    def name(self, address: str, begin: float, owner: Any = None) -> str | None:
        """Of a remote address in use from ``begin`` on, seconds since 1970, by ``owner`` (OWNER).

        An address without a zone.
        """
        held = [one for one in self.addresses.get(address, ()) if one.holds(begin)]
        if not held:
            return None
        pid, started_ns, cgroup_id = _who(owner)

        def fitness(one: Sighting) -> tuple[int, float]:
            asker = self.askers.get(one.asker, _NOBODY)
            is_process = pid != 0 and asker[:2] == (pid, started_ns)
            is_cgroup = cgroup_id != 0 and asker[2] == cgroup_id
            return is_process * 2 or int(is_cgroup), one.seen

        return max(held, key=fitness).name


def _who(owner: Any) -> _Who:
    if owner is None:
        return _NOBODY
    return int(owner["pid"]), int(owner["started_ns"]), int(owner["cgroup_id"])
