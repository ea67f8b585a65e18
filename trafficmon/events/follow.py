# SPDX-License-Identifier: MIT
"""The stream of an attachment's events, by type."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from trafficmon.events.attached import attached
from trafficmon.events.decode import TYPES
from trafficmon.events.event import DropEvent, Event
from trafficmon.events.kernel import DEFAULT_LIMIT, kernel_events
from trafficmon.events.messages import dns_messages, polled_dns_messages
from trafficmon.events.stream import EventStream, Source
from trafficmon.host.contained import Contained
from trafficmon.layout import EventKind
from trafficmon.pins import PinDirectory


@dataclass(frozen=True)
class EventOptions:
    """``types``: of TYPES. ``limit``: events a second, of each kind on each CPU; 0: any number.

    ``polls_dns``: take DNS messages when no other process does, and let others read them in
    between; else be their one reader.
    """

    types: tuple[str, ...] = tuple(TYPES)
    limit: int = DEFAULT_LIMIT
    polls_dns: bool = False


class Followed(EventStream[Event]):
    """``copies_dns``: whether DNS messages of any interface are copied."""

    copies_dns = False


@contextmanager
def event_stream(
    pins: PinDirectory, options: EventOptions, contained: Contained
) -> Iterator[Followed]:
    """Events as they happen, from now on. BusyError where another process reads them."""
    kinds: frozenset[EventKind] = frozenset().union(*(TYPES[name] for name in options.types))
    sources: list[Source[Event]] = []
    with ExitStack() as open_:
        where = open_.enter_context(attached(pins))
        # before the connections that answers name: those come later, and are read later
        if "dns" in options.types and where.copies_dns:
            sources.append(
                polled_dns_messages(where, contained)
                if options.polls_dns
                else open_.enter_context(dns_messages(where, contained))
            )
        if kinds:
            opened = kernel_events(where, kinds, options.limit, contained)
            sources.append(open_.enter_context(opened))
        stream = Followed(pins, sources)
        stream.copies_dns = where.copies_dns
        open_.callback(stream.close)
        yield stream


def is_of_interest(event: Event) -> bool:
    """All but packets that the kernel freed early without a loss."""
    return not (isinstance(event, DropEvent) and event.is_housekeeping)
