# SPDX-License-Identifier: MIT
"""From the ring buffer of copied messages into the book.

Messages wait in the kernel until somebody asks for names. Whoever may, and is alone, takes them
out; who may not reads the book as the last one left it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from trafficmon.errors import BpfError, BusyError, MissingPrivilegeError
from trafficmon.host.lock import only_reader
from trafficmon.libbpf.map import Map
from trafficmon.libbpf.ring import RingBuffer
from trafficmon.pins import PinDirectory

if TYPE_CHECKING:
    from trafficmon.dns.book import Book
    from trafficmon.dns.learn import Learner, Seen

_NO_GROUP = 0xFFFFFFFF
_AT_ONCE = 4096
_learners: dict[tuple[str, int], Learner] = {}
"""By attachment: questions that are open, and streams, go on from one reading to the next."""


class _EnoughError(Exception):
    """The time for this reading is up; the rest waits for the next."""


class Collector:
    """The one reader of messages, while open."""

    def __init__(
        self,
        ring: Map,
        open_book: Callable[[], Book],
        attachment: tuple[str, int],
        attached_ifindexes: frozenset[int],
    ) -> None:
        self._ring = RingBuffer(ring, self._on_record)
        self._open_book, self._attached = open_book, attached_ifindexes
        self._attachment = attachment
        self._book: Book | None = None
        self.on_message: Callable[[Seen], None] | None = None
        self._learner: Learner | None = None
        self._deadline = 0.0

    def close(self) -> None:
        """Let go of the ring buffer and the book."""
        self._ring.close()
        if self._book is not None:
            self._book.close()

    @property
    def fd(self) -> int:
        """Readable when much is waiting."""
        return self._ring.fd

    def collect(self, seconds: float = float("inf")) -> bool:
        """Take what waits into the book; at most so long. Whether that was all."""
        self._deadline = time.monotonic() + seconds
        is_all = True
        try:
            while self._ring.consume(_AT_ONCE) == _AT_ONCE:
                self._keep()
        except _EnoughError:
            is_all = False
        self._keep()
        return is_all

    def _keep(self) -> None:
        """The book is opened when there is something to write: often there is not."""
        learned = self._learner.take() if self._learner is not None else None
        if not learned:
            return
        if self._book is None:
            self._book = self._open_book()
        self._book.add(learned)

    def _on_record(self, raw: bytes) -> None:
        if self._learner is None:  # dnspython takes its time to be imported: only if need be
            from trafficmon.dns.learn import Learner  # noqa: PLC0415

            self._learner = _learners.setdefault(self._attachment, Learner())
        self._learner.attached_ifindexes = self._attached
        for seen in self._learner.read(raw):
            if self.on_message is not None:
                self.on_message(seen)
        if time.monotonic() > self._deadline:
            raise _EnoughError


@contextmanager
def collector(
    pins: PinDirectory,
    meta: Any,
    attached_ifindexes: frozenset[int],
    patience_s: float = 0.0,
) -> Iterator[Collector]:
    """The reader of the messages of an attachment (META).

    BusyError when there is one already, and still is after ``patience_s``; MissingPrivilegeError,
    BpfError when we may not be it.
    """
    group = int(meta["group_id"])
    with ExitStack() as open_:
        open_.enter_context(only_reader(pins.root, "dns", patience_s))
        ring = open_.enter_context(Map.from_pin(str(pins.map("dns_messages"))))

        def open_book() -> Book:
            from trafficmon.dns.book import Book  # noqa: PLC0415 - with SQLite: only if need be

            readers = None if group == _NO_GROUP else group
            return Book.for_writing(pins.root, int(meta["attached_at_ns"]), readers)

        attachment = str(pins.root), int(meta["attached_at_ns"])
        made = Collector(ring, open_book, attachment, attached_ifindexes)
        open_.callback(made.close)
        yield made


def refresh(
    pins: PinDirectory,
    meta: Any,
    attached_ifindexes: frozenset[int],
    seconds: float,
    on_message: Callable[[Seen], None] | None = None,
) -> str | None:
    """Collect what waits, if we may; else why the book is as old as it is."""
    try:
        with collector(pins, meta, attached_ifindexes) as one:
            one.on_message = on_message
            if one.collect(seconds):
                return None
            return "not all DNS messages were read yet; 'trafficmon top dns' reads all"
    except BusyError:
        return None  # who is at it writes into the same book
    except (MissingPrivilegeError, BpfError):
        return "names are as of when root last looked: reading DNS messages takes root"
    except OSError as error:
        return f"what DNS told cannot be kept ({error}); names are missing"
