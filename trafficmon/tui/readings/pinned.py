# SPDX-License-Identifier: MIT
"""The real source of samples, and the real feed: what is pinned."""

from __future__ import annotations

from trafficmon.pins import PinDirectory
from trafficmon.reader.live import Live
from trafficmon.sources.pinned import PinnedSource
from trafficmon.tui.readings.feed import LiveFeed


def pinned(pins: PinDirectory) -> tuple[PinnedSource, LiveFeed]:
    """Source and feed belong together: each sample reads DNS messages, which are events too."""
    feed = LiveFeed(lambda: Live(pins))
    return PinnedSource(pins, on_message=feed.on_message), feed
