# SPDX-License-Identifier: MIT
"""Names of remote addresses for a program that runs while DNS answers come."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trafficmon.dns.book import Book
from trafficmon.host.lock import dns_file
from trafficmon.model.remote_names import RemoteNames

_KEPT = 4096
_AGAIN_S = 1.0


class CurrentNames:
    """The book of an attachment as it is at each question; it may not have been begun yet.

    ``owner_of``: the owner (OWNER) of an owner_id, None where it is not known. Used by one thread.
    """

    def __init__(self, pin_dir: Path, attached_at_ns: int, owner_of: Callable[[int], Any]) -> None:
        self._pin_dir, self._attached_at_ns = pin_dir, attached_at_ns
        self._owner_of = owner_of
        self._book: Book | None = None
        self._tried_at_s = float("-inf")
        self._version = 0
        self._known: dict[str, RemoteNames] = {}

    def close(self) -> None:
        """Let go of the book."""
        if self._book is not None:
            self._book.close()
            self._book = None

    def name(self, address: str, begin_s: float, owner_id: int) -> str | None:
        """Of a remote address in use from ``begin_s`` on, seconds since 1970, by that owner."""
        book = self._opened()
        if book is None:
            return None
        version = book.version()
        if version != self._version or len(self._known) >= _KEPT:
            self._known.clear()
            self._version = version
        known = self._known.get(address)
        if known is None:
            found = {address: book.sightings(address)}
            known = self._known[address] = RemoteNames.with_askers(found, self._owner_of)
        if not known.addresses[address]:
            return None
        return known.name(address, begin_s, self._owner_of(owner_id))

    def _opened(self) -> Book | None:
        """None until there is one; a file that cannot be read is tried once a second."""
        if self._book is not None or not dns_file(self._pin_dir).exists():
            return self._book
        if time.monotonic() - self._tried_at_s >= _AGAIN_S:
            self._tried_at_s = time.monotonic()
            self._book = Book.for_reading(self._pin_dir, self._attached_at_ns)
        return self._book
