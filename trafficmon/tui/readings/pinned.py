# SPDX-License-Identifier: MIT
"""The real source of samples, and the real feed: what is attached."""

from __future__ import annotations

from trafficmon.pins import PinDirectory
from trafficmon.sources.pinned import PinnedSource
from trafficmon.tui.readings.feed import LiveFeed


def pinned(pins: PinDirectory) -> tuple[PinnedSource, LiveFeed]:
    """DNS messages have one reader: the feed while it reads events, else each sample."""
    feed = LiveFeed(pins)
    return PinnedSource(pins, dns_is_read=lambda: feed.reads_dns), feed
