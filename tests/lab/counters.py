# SPDX-License-Identifier: MIT
"""What the kernel itself counts for an interface: a third opinion, independent of captures."""

from pathlib import Path
from typing import NamedTuple

from tests.lab.flows import Count
from tests.lab.veth import Endpoint


class InterfaceCounters(NamedTuple):
    """Frames received and sent, and their bytes (a super-packet is one frame)."""

    rx: Count
    tx: Count


def interface_counters(end: Endpoint) -> InterfaceCounters:
    """The totals of an interface since it was made, from /proc/net/dev."""
    with end.namespace.inside():
        lines = Path("/proc/thread-self/net/dev").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.strip().startswith(f"{end.interface}:"))
    numbers = [int(number) for number in line.split(":")[1].split()]
    return InterfaceCounters(Count(numbers[1], numbers[0]), Count(numbers[9], numbers[8]))
