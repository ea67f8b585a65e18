# SPDX-License-Identifier: MIT
"""Names of remote addresses, as answers to this host's questions gave them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trafficmon.dns.book import Book


class RemoteNames:
    """What the book has at the time; it may be closed then.

    A name is told only of what went on while the answer held.
    """

    def __init__(self, book: Book | None) -> None:
        self._addresses = book.addresses() if book else {}

    def name(self, address: str, begin: float, end: float) -> str | None:
        """Of a remote address that was in use from ``begin`` to ``end``, seconds since 1970.

        The answer came before the use ended, and its time to live lasted until the use began.
        """
        for name, seen, expires in self._addresses.get(address, ()):
            if seen <= end and expires >= begin:
                return name
        return None
