# SPDX-License-Identifier: MIT
"""Events from the kernel's ring buffers to all who subscribe, in order of time.

The stream is read by one thread. A subscriber may live in another: what it does not take in time
is lost to it alone, and counted.
"""

from __future__ import annotations

import select
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Generic, Protocol, TypeVar

from trafficmon.events.presence import Presence
from trafficmon.pins import PinDirectory

LOOK_EVERY_S = 0.1
"""The kernel wakes a reader when 64 KiB wait, so a few events wait until the next look."""

_LAST_ROUNDS = 64
"""When a stream ends: what it has is read, though more may be coming."""

_ROOM = 65_536


class Timed(Protocol):
    """What a stream can put in order."""

    @property
    def at_ns(self) -> int:
        """Nanoseconds since 1970."""


E = TypeVar("E", bound=Timed)
E_co = TypeVar("E_co", bound=Timed, covariant=True)


@dataclass(frozen=True)
class Losses:
    """Since the stream was opened: events that reached no subscriber.

    ``lost``: the ring buffer was full. ``limited``: beyond the limit a second. ``undecoded``: an
    unexpected error, each of which was reported.
    """

    lost: int = 0
    limited: int = 0
    undecoded: int = 0

    def __add__(self, other: Losses) -> Losses:
        return Losses(
            self.lost + other.lost,
            self.limited + other.limited,
            self.undecoded + other.undecoded,
        )


class Source(Protocol[E_co]):
    """Where events come from: a ring buffer and what belongs to it."""

    @property
    def fd(self) -> int | None:
        """Readable when events wait; None where the source is looked at each time."""

    def read(self) -> Sequence[E_co]:
        """What has come, up to a number that does not take long. Does not wait."""

    def stop(self) -> None:
        """Have no more events made, where that can be; those that were made can still be read."""

    def losses(self) -> Losses:
        """Since it was opened."""


class Subscription(Generic[E]):
    """A queue of at most ``room`` events (None: of any number); the oldest give way.

    ``wants`` chooses what is put in. Any thread may take.
    """

    def __init__(self, room: int | None = _ROOM, wants: Callable[[E], bool] | None = None) -> None:
        self._events: deque[E] = deque(maxlen=room)
        self._wants = wants
        self._changed = threading.Condition()
        self.lost = 0
        """Events that were pushed out before they were taken."""
        self.is_closed = False

    def put(self, events: Sequence[E]) -> None:
        """Never waits."""
        if self._wants is not None:
            events = [one for one in events if self._wants(one)]
        if not events:
            return
        with self._changed:
            if self._events.maxlen is not None:
                self.lost += max(0, len(self._events) + len(events) - self._events.maxlen)
            self._events.extend(events)
            self._changed.notify_all()

    def take(self, timeout_s: float = 0.0) -> list[E]:
        """All that wait; empty after ``timeout_s`` without any, or once the stream has closed."""
        with self._changed:
            if timeout_s and not self._events and not self.is_closed:
                self._changed.wait(timeout_s)
            taken = list(self._events)
            self._events.clear()
        return taken

    def kept(self) -> list[E]:
        """All that wait, which stay: for who shows the newest."""
        with self._changed:
            return list(self._events)

    def close(self) -> None:
        """No more will come; what waits can be taken."""
        with self._changed:
            self.is_closed = True
            self._changed.notify_all()

    def __iter__(self) -> Iterator[E]:
        """Each event as it comes, until the stream has closed."""
        while True:
            was_closed = self.is_closed
            taken = self.take(LOOK_EVERY_S)
            yield from taken
            if was_closed and not taken:
                return


class EventStream(Generic[E]):
    """Reads ``sources`` for as long as the attachment at ``pins`` is there."""

    def __init__(self, pins: PinDirectory, sources: Sequence[Source[E]]) -> None:
        self._presence, self._sources = Presence(pins), tuple(sources)
        self._subscriptions: list[Subscription[E]] = []

    def subscribe(self, subscription: Subscription[E]) -> Subscription[E]:
        """Events that are read from now on are put into ``subscription``."""
        self._subscriptions.append(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription[E]) -> None:
        """No more for ``subscription``, which is not closed."""
        self._subscriptions.remove(subscription)

    def close(self) -> None:
        """Subscribers learn that no more will come."""
        for one in self._subscriptions:
            one.close()

    def wait(self, timeout_s: float = LOOK_EVERY_S) -> bool:
        """Whether much is waiting, at once; else after ``timeout_s``."""
        fds = [one.fd for one in self._sources if one.fd is not None]
        return bool(select.select(fds, [], [], timeout_s)[0])

    def read(self) -> list[E]:
        """What has come, in order of time, once for each subscriber too. Does not wait.

        Several ring buffers, each written by all CPUs: within one read their order is made.
        """
        events = [event for source in self._sources for event in source.read()]
        events.sort(key=attrgetter("at_ns"))
        for subscription in self._subscriptions:
            subscription.put(events)
        return events

    def require_attached(self) -> None:
        """NotAttachedError once what this reads was detached."""
        self._presence.require()

    def losses(self) -> Losses:
        """Since the stream was opened."""
        return sum((one.losses() for one in self._sources), Losses())

    def batches(
        self,
        wants: Callable[[E], bool] | None = None,
        *,
        count: int | None = None,
        check: Callable[[], None] | None = None,
        look_every_s: float = LOOK_EVERY_S,
    ) -> Iterator[list[E]]:
        """Events as they come, those that ``wants`` chooses; an empty list where none came.

        Ends after ``count`` events, or when ``check``, which is called between two reads, raises
        KeyboardInterrupt: then after what was made until then. NotAttachedError after a detach.
        """
        subscription = self.subscribe(Subscription(None, wants))
        try:
            for _ in self._rounds(check, look_every_s):
                batch = subscription.take()[:count]
                yield batch
                if count is not None:
                    count -= len(batch)
                    if not count:
                        return
        finally:
            self.unsubscribe(subscription)

    def _rounds(self, check: Callable[[], None] | None, look_every_s: float) -> Iterator[None]:
        try:
            while True:
                self.wait(look_every_s)
                self.read()
                yield
                self.require_attached()
                if check is not None:
                    check()
        except KeyboardInterrupt:
            for source in self._sources:
                source.stop()
        for _ in range(_LAST_ROUNDS):
            if not self.read():
                return
            yield
