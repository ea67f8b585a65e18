# SPDX-License-Identifier: MIT
"""The real source of readings, and the real feed: what is pinned."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from trafficmon.dns.collect import refresh
from trafficmon.pins import PinDirectory
from trafficmon.reader.live import Live
from trafficmon.tui.readings.feed import LiveFeed
from trafficmon.tui.readings.session import Source

_NAMES_S = 0.2  # of each reading, for DNS messages that wait


def pinned(pins: PinDirectory) -> tuple[Source, LiveFeed]:
    """Source and feed belong together: each reading collects DNS messages, which are events too."""
    feed = LiveFeed(lambda: Live(pins))

    @contextmanager
    def reading() -> Iterator[Live]:
        with Live(pins) as live:
            refresh(pins, live.meta, live.attached_ifindexes(), _NAMES_S, feed.on_message)
            yield live

    return reading, feed
