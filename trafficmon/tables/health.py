# SPDX-License-Identifier: MIT
"""What is wrong with a running attachment, in words."""

from __future__ import annotations

from trafficmon.host import netns
from trafficmon.layout import State
from trafficmon.reader.live import Live


def complaints(live: Live) -> list[str]:
    """One line for each interface that is meant to count and does not."""
    lines = []
    for interface in live.interfaces:
        if interface.state == State.ATTACHING:
            lines.append(
                f"an attach to {interface.name} was interrupted; 'trafficmon attach --iface "
                f"{interface.name}' finishes it"
            )
        if not interface.gone:
            continue
        back = netns.ifindex_of(interface.name)
        if back is None:
            lines.append(f"{interface.name} has gone; its counters stand as they were")
        else:
            lines.append(
                f"{interface.name} had gone and is back as number {back}, not counted: "
                f"'trafficmon attach --iface {interface.name}' counts on"
            )
    return lines
