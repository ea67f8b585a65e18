# SPDX-License-Identifier: MIT
"""A link with a known delay, and loss that can be counted on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab import processes
from tests.lab.namespace import Namespace

DEVICE = "tmrelay"
_PROGRAM = Path(__file__).parent / "programs" / "relay.py"


@dataclass(frozen=True)
class Ends:
    """The addresses at both ends, IPv4 and IPv6."""

    left: tuple[str, str] = ("10.77.0.1", "fd77::1")
    right: tuple[str, str] = ("10.77.0.2", "fd77::2")


@contextmanager
def relayed(
    left: Namespace, right: Namespace, *, delay_ms: float, drop_every: int = 0
) -> Iterator[Ends]:
    """A packet takes ``delay_ms`` each way. From the right each nth TCP payload can be lost."""
    argv = [sys.executable, str(_PROGRAM), str(left.path), str(right.path), DEVICE]
    relay = right.popen([*argv, str(delay_ms), str(drop_every)])
    ends = Ends()
    try:
        processes.read_until(relay, relay.stdout, "ready\n")
        for namespace, (ipv4, ipv6) in ((left, ends.left), (right, ends.right)):
            namespace.run(["ip", "link", "set", "dev", DEVICE, "up"])
            namespace.run(["ip", "address", "add", f"{ipv4}/24", "dev", DEVICE])
            namespace.run(["ip", "address", "add", f"{ipv6}/64", "dev", DEVICE, "nodad"])
        yield ends
        processes.check_alive(relay)
    finally:
        right.end(relay)
