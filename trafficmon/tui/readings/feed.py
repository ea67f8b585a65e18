# SPDX-License-Identifier: MIT
"""Events as they happen, kept for the screen: the newest few thousand.

The kernel produces events only while they are read, so the feed begins when it is first looked at.
It reads in a thread of its own: a ring buffer fills while tables are read and drawn.
"""

from __future__ import annotations

import threading
from functools import partial
from operator import attrgetter
from typing import Protocol

from trafficmon.errors import TrafficmonError
from trafficmon.events.decode import TYPES
from trafficmon.events.event import Event
from trafficmon.events.follow import EventOptions, event_stream, is_of_interest
from trafficmon.events.stream import Losses, Subscription
from trafficmon.host.contained import Contained
from trafficmon.pins import PinDirectory

KEPT = 1000
"""Of each type, so that none pushes out the others: drops come by thousands at times."""

_LIMIT = 200  # a second, kind and CPU: more cannot be followed, and a dashboard is to cost little
_LOOK_S, _AGAIN_S = 0.2, 2.0
_OPTIONS = EventOptions(limit=_LIMIT, polls_dns=True)


class Feed(Protocol):
    """What panes need of it."""

    def start(self) -> None:
        """From now on; more than once does no harm."""

    def stop(self) -> None:
        """No more."""

    def newest(self) -> list[Event]:
        """The newest first."""

    def note(self) -> str:
        """Why there are none, or how many are missing; empty when all is well."""


class LiveFeed:
    """Of what is attached at ``pins``. What goes wrong is noted, and tried again."""

    def __init__(self, pins: PinDirectory) -> None:
        self._pins, self._contained = pins, Contained()
        self._kept: dict[str, Subscription[Event]] = {
            name: Subscription(KEPT, partial(_is_shown, name)) for name in TYPES
        }
        self._note = ""
        self.reads_dns = False
        """Whether DNS messages come here now; then tables need no other reader for names."""
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to read."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="events", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End, and let others read."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(timeout=_AGAIN_S)

    def newest(self) -> list[Event]:
        """The newest first."""
        kept = [event for of_type in self._kept.values() for event in of_type.kept()]
        return sorted(kept, key=attrgetter("at_ns"), reverse=True)

    def note(self) -> str:
        """What is to be said about them."""
        return "; ".join(part for part in (self._note, self._contained.latest) if part)

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._contained.run(self._read, "reading events")
            except (TrafficmonError, OSError) as error:
                self._note = str(error)
            self._ended.wait(_AGAIN_S)

    def _read(self) -> None:
        with event_stream(self._pins, _OPTIONS, self._contained) as stream:
            for subscription in self._kept.values():
                stream.subscribe(subscription)
            self.reads_dns = stream.copies_dns
            try:
                for _ in stream.batches(look_every_s=_LOOK_S):
                    self._note = _missing(stream.losses())
                    if self._ended.wait(_LOOK_S / 4):  # a flood is read in portions
                        return
            finally:
                self.reads_dns = False


def _is_shown(type_: str, event: Event) -> bool:
    return event.type == type_ and is_of_interest(event)


def _missing(losses: Losses) -> str:
    if not losses.limited and not losses.lost:
        return ""
    return (
        f"not shown: {losses.limited:,} beyond {_LIMIT} a second of a kind, "
        f"{losses.lost:,} lost; 'trafficmon events' takes more"
    )
