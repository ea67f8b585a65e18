# SPDX-License-Identifier: MIT
"""Events as they happen, kept for the screen: the newest few thousand.

The kernel makes events only while somebody reads them, so the feed begins when it is first looked
at. It reads in a thread of its own: a ring buffer fills while tables are read and drawn.
"""

from __future__ import annotations

import select
import threading
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Protocol

from trafficmon.dns.learn import Seen
from trafficmon.errors import TrafficmonError
from trafficmon.events.reader import EventReader, event_reader
from trafficmon.events.tell import KINDS, Teller, is_housekeeping
from trafficmon.host.error_log import ErrorLog
from trafficmon.layout import EventKind
from trafficmon.reader.live import Live
from trafficmon.reader.presence import Presence
from trafficmon.tables.table import Record

KEPT = 1000
"""Of each type, so that none pushes out the others: drops come by thousands at times."""

_LIMIT = 200  # a second, kind and CPU: nobody reads more, and a dashboard is to cost little
_LOOK_S, _AGAIN_S = 0.2, 2.0
_KINDS: frozenset[EventKind] = frozenset().union(*KINDS.values())


class Feed(Protocol):
    """What panes need of it."""

    def start(self) -> None:
        """From now on; more than once does no harm."""

    def stop(self) -> None:
        """No more."""

    def records(self) -> list[Record]:
        """The newest first."""

    def note(self) -> str:
        """Why there are none, or how many are missing; empty when all is well."""


class LiveFeed:
    """Of what is attached. What goes wrong is noted, and tried again."""

    def __init__(self, open_live: Callable[[], Live]) -> None:
        self._open_live, self._errors = open_live, ErrorLog()
        self._records: dict[str, deque[Record]] = {name: deque(maxlen=KEPT) for name in KINDS}
        self._messages: deque[Seen] = deque(maxlen=KEPT)
        self._note = self._fault = ""
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to read."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="events", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End, and let others read."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(timeout=_AGAIN_S)

    def on_message(self, seen: Seen) -> None:
        """A DNS message: whoever collects those hands them over."""
        if self._thread is not None:
            self._messages.append(seen)

    def records(self) -> list[Record]:
        """The newest first."""
        kept = [record for of_type in self._records.values() for record in of_type.copy()]
        return sorted(kept, key=lambda record: str(record["time"]), reverse=True)

    def _keep_made(self, make: Callable[[], Record]) -> None:
        """One that cannot be made into a record does not keep away those behind it."""
        try:
            record = make()
            if not is_housekeeping(record):
                self._records[str(record["type"])].append(record)
        except Exception as error:  # noqa: BLE001 - whatever it is, the events after it come
            self._fault = self._errors.note(error, "decoding an event")

    def note(self) -> str:
        """What is to be said about them."""
        return "; ".join(part for part in (self._note, self._fault) if part)

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._read()
            except (TrafficmonError, OSError) as error:
                self._note = str(error)
            except Exception as error:  # noqa: BLE001 - whatever it is, the events after it come
                self._fault = self._errors.note(error, "reading events")
            self._ended.wait(_AGAIN_S)

    def _read(self) -> None:
        with ExitStack() as open_:
            live = open_.enter_context(self._open_live())
            presence, teller = Presence(live.pins), Teller(live)

            def on_event(raw: bytes) -> None:
                self._keep_made(lambda: teller.record(raw))

            reader = open_.enter_context(event_reader(live, _KINDS, on_event, _LIMIT))
            while not self._ended.is_set():
                select.select([reader.fd], [], [], _LOOK_S)
                self._ended.wait(_LOOK_S / 4)  # a flood is read in portions, not one by one
                reader.read()
                while self._messages:
                    self._keep_made(partial(teller.dns, self._messages.popleft()))
                self._note = _missing(reader)
                presence.require()


def _missing(reader: EventReader) -> str:
    missed = reader.missed()
    if not any(missed.values()):
        return ""
    return (
        f"not shown: {missed['limited']:,} beyond {_LIMIT} a second of a kind, "
        f"{missed['lost']:,} lost; 'trafficmon events' takes more"
    )
