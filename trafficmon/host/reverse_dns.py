# SPDX-License-Identifier: MIT
"""Names of addresses, by asking the resolver: only where the user wants that: it makes traffic."""

from __future__ import annotations

import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

_PATIENCE_S = 2.0
_KEPT = 4096
_HOLDS_S = 300.0
"""How long an answer is used; the resolver does not give its TTL (getnameinfo(3))."""


class ReverseDns:
    """Remembers answers for a few minutes. One lives as long as the command that shows them."""

    def __init__(
        self,
        ask: Callable[[str], str | None] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resolve, self._now = ask or resolve, now
        self._known: OrderedDict[str, tuple[str | None, float]] = OrderedDict()  # until when
        self._in_flight: set[str] = set()
        self._lock = threading.Lock()

    def add_names(self, rows: Iterable[dict[str, Any]]) -> None:
        """Fill in `remote_name` where it is null; all together at most two seconds.

        Each address has a thread of its own, which is not joined at the end: the resolver cannot
        be hurried. What it answers later is there the next time.
        """
        nameless = [row for row in rows if row.get("remote_addr") and not row.get("remote_name")]
        threads = self._begin({row["remote_addr"] for row in nameless})
        deadline = time.monotonic() + _PATIENCE_S
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        with self._lock:
            for row in nameless:
                row["remote_name"] = self._known.get(row["remote_addr"], (None, 0.0))[0]

    def _begin(self, addresses: set[str]) -> list[threading.Thread]:
        """One for each address without a fresh answer, and without a query in flight."""
        now = self._now()
        with self._lock:
            fresh = {address for address, (_, until) in self._known.items() if now < until}
            new = addresses - fresh - self._in_flight
            self._in_flight |= new
        threads = [threading.Thread(target=self._learn, args=(one,), daemon=True) for one in new]
        for thread in threads:
            thread.start()
        return threads

    def _learn(self, address: str) -> None:
        name = self._resolve(address)
        with self._lock:
            self._in_flight.discard(address)
            self._known[address] = name, self._now() + _HOLDS_S
            self._known.move_to_end(address)
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)


def resolve(address: str) -> str | None:
    """What the resolver says; None where it has no name."""
    try:
        return socket.getnameinfo((address, 0), socket.NI_NAMEREQD)[0].rstrip(".").lower()
    except (OSError, UnicodeError):
        return None
