# SPDX-License-Identifier: MIT
"""What is wrong with a running attachment, in words."""

from __future__ import annotations

from trafficmon.host import netns
from trafficmon.layout import State
from trafficmon.reader.live import Live


def complaints(live: Live) -> list[str]:
    """What is meant to count and does not; one line for all interfaces that are gone."""
    lines = [
        f"an attach to {interface.name} was interrupted; 'trafficmon attach --iface "
        f"{interface.name}' finishes it"
        for interface in live.interfaces
        if interface.state == State.ATTACHING
    ]
    gone = {one.name: netns.ifindex_of(one.name) for one in live.interfaces if one.gone}
    lines += _gone([name for name, back in gone.items() if back is None])
    lines += _back({name: back for name, back in gone.items() if back is not None})
    return lines


def _gone(names: list[str]) -> list[str]:
    if not names:
        return []
    if len(names) == 1:
        return [f"{names[0]} has gone; its counters stand as they were"]
    return [f"{len(names)} interfaces are gone; their counts stay in the totals"]


def _back(numbers: dict[str, int]) -> list[str]:
    if not numbers:
        return []
    attach = " ".join(f"--iface {name}" for name in numbers)
    told = f"'trafficmon attach {attach}' counts on"
    if len(numbers) == 1:
        ((name, number),) = numbers.items()
        return [f"{name} had gone and is back as number {number}, not counted: {told}"]
    return [f"{len(numbers)} interfaces had gone and are back, not counted: {told}"]
