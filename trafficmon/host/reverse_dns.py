# SPDX-License-Identifier: MIT
"""Names of addresses, by asking the resolver: only where the user wants that: it makes traffic."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

_PATIENCE_S = 2.0
_known: dict[str, str | None] = {}


def add_names(
    rows: Iterable[dict[str, Any]], ask: Callable[[str], str | None] | None = None
) -> None:
    """Fill in `remote_name` where it is null; all together at most two seconds.

    Each in a thread of its own, which nobody waits for at the end: the resolver cannot be hurried.
    What it answers later is there the next time.
    """
    nameless = [row for row in rows if row.get("remote_addr") and not row.get("remote_name")]
    threads = [
        threading.Thread(target=_learn, args=(address, ask or resolve), daemon=True)
        for address in {row["remote_addr"] for row in nameless} - _known.keys()
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + _PATIENCE_S
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    for row in nameless:
        row["remote_name"] = _known.get(row["remote_addr"])


def _learn(address: str, ask: Callable[[str], str | None]) -> None:
    _known[address] = ask(address)


def resolve(address: str) -> str | None:
    """What the resolver says; None where it has no name."""
    try:
        return socket.getnameinfo((address, 0), socket.NI_NAMEREQD)[0].rstrip(".").lower()
    except (OSError, UnicodeError):
        return None
