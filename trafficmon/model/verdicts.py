# SPDX-License-Identifier: MIT
"""Whether each hook that attach made still counts: what hooks/ found out, as plain records."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum


class Condition(StrEnum):
    """Of a hook."""

    ALIVE = "alive"
    GONE = "gone"
    REPLACED = "replaced"  # something else runs in its place
    UNPINNED = "unpinned"  # counts, but the pin of its link or of its program was removed
    UNKNOWN = "unknown"  # this process may not query it


@dataclass(frozen=True)
class Verdict:
    """``reason``: what took it away, as far as the kernel says; "" where it is alive.

    ``foreign``: programs of others that settle packets between ours and the wire, so that what is
    counted is not what is on the wire; None: not known.
    """

    condition: Condition
    reason: str = ""
    foreign: tuple[int, ...] | None = ()

    @property
    def is_wrong(self) -> bool:
        """Whether it is to be repaired."""
        return self.condition in (Condition.GONE, Condition.REPLACED, Condition.UNPINNED)


ALIVE = Verdict(Condition.ALIVE)


class Presence(Enum):
    """Of a watched interface."""

    HERE = "here"
    ELSEWHERE = "elsewhere"  # this process is in another network namespace
    GONE = "gone"
    MOVED = "moved"  # to another network namespace than it was watched in
    NAMESPACE_GONE = "namespace gone"


@dataclass(frozen=True)
class InterfaceFinding:
    """``back_as``: the number of another interface that has its name now."""

    slot: int
    name: str
    presence: Presence
    back_as: int | None
    hooks: dict[str, Verdict]

    @property
    def has_gone(self) -> bool:
        """Whether it is no longer where it was watched."""
        return self.presence in (Presence.GONE, Presence.MOVED, Presence.NAMESPACE_GONE)


@dataclass(frozen=True)
class Findings:
    """Of all hooks that attach has made and detach has not taken off."""

    interfaces: dict[int, InterfaceFinding]
    host: dict[str, Verdict]

    @property
    def is_wrong(self) -> bool:
        """Whether a hook does not count though its place is there, or all interfaces have gone.

        One of several interfaces that was removed is no fault: containers end, cards are pulled.
        """
        watched = self.interfaces.values()
        there = [one for one in watched if not one.has_gone or one.back_as is not None]
        if watched and not there:
            return True
        verdicts = [*self.host.values(), *(v for one in there for v in one.hooks.values())]
        return any(verdict.is_wrong for verdict in verdicts)
