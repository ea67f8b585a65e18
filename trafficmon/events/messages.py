# SPDX-License-Identifier: MIT
"""DNS messages as a source of a stream. Whoever reads them also keeps the book of names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from trafficmon.dns.collect import Memory, collector, refresh
from trafficmon.dns.learn import Seen
from trafficmon.events.attached import Attached
from trafficmon.events.decode import EventDecoder
from trafficmon.events.event import DnsEvent
from trafficmon.events.ring import decode_each
from trafficmon.events.stream import LOOK_EVERY_S, Losses
from trafficmon.host import clock
from trafficmon.host.contained import Contained

_PATIENCE_S = 3.0
"""Others ('trafficmon top', the dashboard) read for a moment only."""

_POLL_S = 0.2
"""For the messages that wait, at most."""


class DnsMessages:
    """A source of a stream.

    ``collect`` appends the messages that have come to a list; ``fd``: readable when some wait.
    """

    def __init__(
        self,
        attached: Attached,
        collect: Callable[[list[Seen]], object],
        contained: Contained,
        fd: int | None = None,
    ) -> None:
        self._collect, self._contained, self.fd = collect, contained, fd
        self._decoder, self._undecoded = EventDecoder(attached), 0
        self._started_ns = clock.monotonic_ns()

    def read(self) -> list[DnsEvent]:
        """What has come since this was opened."""
        messages: list[Seen] = []
        self._collect(messages)
        fresh = [one for one in messages if one.head["event"]["at_ns"] >= self._started_ns]
        events = decode_each(fresh, self._decoder.dns, self._contained)
        self._undecoded += len(fresh) - len(events)
        return events

    def stop(self) -> None:
        """Messages are copied while the layer is attached."""

    def losses(self) -> Losses:
        """Messages that the kernel has lost are in the ledger of `status`."""
        return Losses(undecoded=self._undecoded)


@contextmanager
def dns_messages(attached: Attached, contained: Contained) -> Iterator[DnsMessages]:
    """All messages, as the one reader: BusyError where another process stays that."""
    arguments = attached.pins, attached.meta, attached.attached_ifindexes()
    with collector(*arguments, patience_s=_PATIENCE_S, contained=contained) as made:

        def collect(messages: list[Seen]) -> None:
            made.attached_ifindexes = attached.attached_ifindexes()
            made.collect(LOOK_EVERY_S, messages)

        yield DnsMessages(attached, collect, contained, made.fd)


def polled_dns_messages(attached: Attached, contained: Contained) -> DnsMessages:
    """Those that no other process takes: others may read between two looks."""
    memory = Memory()

    def collect(messages: list[Seen]) -> None:
        where = attached.pins, attached.meta, attached.attached_ifindexes()
        refresh(*where, _POLL_S, memory, seen=messages, contained=contained)

    return DnsMessages(attached, collect, contained)
