# SPDX-License-Identifier: MIT
"""A captured packet as one line of text."""

from trafficmon.render.eventline import Event, between, owner
from trafficmon.render.safe import escape_controls


def packet_line(packet: Event) -> str:
    """Time, interface, ends, length and owner."""
    arrow = "<-" if packet["direction"] == "in" else "->"
    ends = between(packet, arrow=arrow) if packet["protocol"] is not None else f"not IP {arrow}"
    parts = [str(packet["time"])[11:-1], f"{packet['interface']} {ends}"]
    parts += [f"{packet['bytes']} bytes", owner(packet)]
    return escape_controls("  ".join(part for part in parts if part))
