# SPDX-License-Identifier: MIT
"""From the ring buffer of copied messages into the book.

Messages wait in the kernel until names are needed. A process with the right, and the lock, takes
them out; a member of the readers' group reads the copy that the last one left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trafficmon.errors import BpfError, BusyError, MissingPrivilegeError
from trafficmon.host.contained import Contained
from trafficmon.host.lock import only_reader
from trafficmon.layout import NO_GROUP
from trafficmon.libbpf.map import Map
from trafficmon.libbpf.ring import KeptRing
from trafficmon.pinned import open_map
from trafficmon.pins import PinDirectory

if TYPE_CHECKING:
    from trafficmon.dns.book import Book, Learned
    from trafficmon.dns.learn import Learner, Seen

_AT_ONCE = 4096
_PAUSE_S = 0.05
_PUBLISH_SHARE = 20
"""At most one part in so many of the time goes into copies for the readers' group."""


@dataclass
class _Progress:
    """What is kept from one reading of an attachment to the next in the same process."""

    learner: Learner  # questions that are open, and streams
    taken: int  # the ring buffer's position as we left it
    read_to: int  # what is before that is learned, and in ``waiting`` if it is not in the book
    waiting: list[Learned] = field(default_factory=list)
    unpublished: bool = False
    publish_again_at: float = 0.0


class Memory:
    """What a process that reads again and again keeps of the attachment that it read last."""

    def __init__(self) -> None:
        self.attachment: tuple[str, int] | None = None
        self.progress: _Progress | None = None


class Collector:
    """The one reader of messages, while open.

    Messages leave the ring buffer when they are in the book. While that cannot be written they
    wait, and what does not fit into the ring buffer any more the kernel counts as lost.
    """

    def __init__(
        self,
        ring: Map,
        open_book: Callable[[], Book],
        attachment: tuple[str, int],
        attached_ifindexes: frozenset[int],
        memory: Memory,
        contained: Contained,
    ) -> None:
        self._ring, self._fd = KeptRing(ring), ring.fd
        self._open_book, self._attachment = open_book, attachment
        self._memory, self._contained = memory, contained
        self._book: Book | None = None
        self.attached_ifindexes = attached_ifindexes
        """Interfaces where a forwarded message was copied when it came in."""
        self.failure: OSError | None = None
        """Why what was read is not in the book yet."""

    def close(self) -> None:
        """Let go of the ring buffer and the book."""
        self._ring.close()
        if self._book is not None:
            self._book.close()

    @property
    def fd(self) -> int:
        """Readable when something is waiting."""
        return self._fd

    def collect(self, seconds: float = float("inf"), seen: list[Seen] | None = None) -> bool:
        """Read what waits, into the book; at most so long. Whether that was all.

        The messages are appended to ``seen``, for who wants more than names.
        """
        deadline = time.monotonic() + seconds
        while True:
            progress = self._begin()
            if progress is None:
                return True
            count, is_late = self._read(progress, deadline, seen)
            self._keep(progress)
            if is_late or count < _AT_ONCE or self.failure is not None:
                return not is_late

    def _begin(self) -> _Progress | None:
        """Where to continue; None where nothing waits. Another process may have read meanwhile."""
        taken = self._ring.taken
        memory = self._memory
        known = memory.progress if memory.attachment == self._attachment else None
        has_more = next(self._ring.records(taken), None) is not None
        if not has_more and (known is None or not known.unpublished):
            return None
        noted = taken
        with suppress(OSError):  # it is tried again when there is something to write
            noted = max(taken, self._opened().position())  # one was killed before it took them
        if known is not None and known.taken == noted:
            return known
        from trafficmon.dns.learn import Learner  # noqa: PLC0415 - dnspython takes its time

        learner = known.learner if known is not None else Learner()
        memory.attachment, memory.progress = self._attachment, _Progress(learner, noted, noted)
        return memory.progress

    def _read(
        self, progress: _Progress, deadline: float, seen: list[Seen] | None
    ) -> tuple[int, bool]:
        """How many records, and whether the time was up before they were through."""
        learner = progress.learner
        learner.attached_ifindexes = self.attached_ifindexes
        count = 0
        for raw, end in self._ring.records(progress.read_to):
            try:
                for message in learner.read(raw):
                    if seen is not None:
                        seen.append(message)
            except Exception as error:  # noqa: BLE001 - else this record would block all after it
                learner.lose_message()
                self._contained.note(error, "decoding a DNS message")
            progress.read_to = end
            count += 1
            if count == _AT_ONCE or time.monotonic() > deadline:
                break
        return count, time.monotonic() > deadline

    def _keep(self, progress: _Progress) -> None:
        """The book is opened when there is something to write: often there is not."""
        if learned := progress.learner.take():
            progress.waiting.append(learned)
        try:
            if progress.waiting:
                self._opened().add(*progress.waiting, position=progress.read_to)
                progress.waiting.clear()
                progress.unpublished = True
            self.failure = None
        except OSError as error:
            self.failure = error
            time.sleep(_PAUSE_S)  # the ring buffer stays readable
            return
        self._ring.take(progress.read_to)
        progress.taken = progress.read_to
        self._publish(progress)

    def _publish(self, progress: _Progress) -> None:
        now = time.monotonic()
        if not progress.unpublished or now < progress.publish_again_at:
            return
        with suppress(OSError):  # members read the copy before; the next one is tried soon
            self._opened().publish()
            progress.unpublished = False
        progress.publish_again_at = now + _PUBLISH_SHARE * (time.monotonic() - now)

    def _opened(self) -> Book:
        if self._book is None:
            self._book = self._open_book()
        return self._book


@contextmanager
def collector(
    pins: PinDirectory,
    meta: Any,
    attached_ifindexes: frozenset[int],
    patience_s: float = 0.0,
    contained: Contained | None = None,
    memory: Memory | None = None,
) -> Iterator[Collector]:
    """The reader of the messages of an attachment (META), which continues from ``memory``.

    BusyError when there is one already, and still is after ``patience_s``; MissingPrivilegeError,
    BpfError when we may not be it.
    """
    group = int(meta["group_id"])
    with ExitStack() as open_:
        open_.enter_context(only_reader(pins.root, "dns", patience_s))
        ring = open_.enter_context(open_map(pins, "dns_messages"))

        def open_book() -> Book:
            from trafficmon.dns.book import Book  # noqa: PLC0415 - with SQLite: only if need be

            readers = None if group == NO_GROUP else group
            return Book.for_writing(pins.root, int(meta["attached_at_ns"]), readers)

        attachment = str(pins.root), int(meta["attached_at_ns"])
        made = Collector(
            ring,
            open_book,
            attachment,
            attached_ifindexes,
            memory or Memory(),
            contained or Contained(),
        )
        open_.callback(made.close)
        yield made


def refresh(
    pins: PinDirectory,
    meta: Any,
    attached_ifindexes: frozenset[int],
    seconds: float,
    memory: Memory,
    *,
    seen: list[Seen] | None = None,
    contained: Contained | None = None,
) -> str | None:
    """Collect what waits, if we may; else why the book is as old as it is.

    ``seen``, ``contained``: see Collector.
    """
    try:
        with collector(pins, meta, attached_ifindexes, contained=contained, memory=memory) as one:
            is_all = one.collect(seconds, seen)
            if one.failure is not None:
                return f"cannot keep DNS messages: {one.failure}; they wait in the kernel"
            if is_all:
                return None
            return "not all DNS messages were read yet; 'trafficmon top dns' reads all"
    except BusyError:
        return None  # who is at it writes into the same book
    except (MissingPrivilegeError, BpfError):
        return "names are as of when root last looked: reading DNS messages takes root"
    except OSError as error:
        return f"cannot read DNS messages: {error}; they wait in the kernel"
