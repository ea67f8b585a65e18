# SPDX-License-Identifier: MIT
"""The one reader of the ring buffer `events`.

While it lives it says so in `event_control`, every second: the kernel's programs make events only
for somebody (bpf/events/events.bpf.h). One that is killed is noticed by that, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import numpy as np

from trafficmon.errors import MissingPrivilegeError
from trafficmon.host import clock
from trafficmon.host.lock import only_reader
from trafficmon.layout import EVENT_CONTROL, EventKind
from trafficmon.libbpf.map import Map
from trafficmon.libbpf.ring import RingBuffer
from trafficmon.pinned import open_map
from trafficmon.reader.live import Live
from trafficmon.records import FIRST_KEY

DEFAULT_LIMIT = 50_000
"""Events a second, of each kind on each CPU."""

_ALIVE_EVERY_S = 1.0
_AT_ONCE = 4096
_AT_NS = slice(0, 8)  # of tm_event


class EventReader:
    """While open, events of ``kinds`` are made and handed over, in the order of each CPU."""

    def __init__(
        self,
        live: Live,
        ring: Map,
        control: Map,
        kinds: frozenset[EventKind],
        limit: int,
        on_event: Callable[[bytes], None],
    ) -> None:
        self._live, self._control = live, control
        self._kinds, self._limit = kinds, limit
        self._on_event, self._has_stopped = on_event, False
        self._started_ns = clock.monotonic_ns()
        self._ring = RingBuffer(ring, self._on_record)
        self._said_at = 0.0
        self.say_alive()
        self._before = live.event_counts()

    def close(self) -> None:
        """No more events are made; what waits is nobody's."""
        self.stop()
        self._on_event = _ignore
        while self._ring.consume(_AT_ONCE) == _AT_ONCE:
            pass
        self._ring.close()

    @property
    def fd(self) -> int:
        """Readable when much is waiting; a little waits until the next look."""
        return self._ring.fd

    def read(self) -> int:
        """Hand over what there is, up to a number that does not take long. Returns how many."""
        if time.monotonic() - self._said_at >= _ALIVE_EVERY_S:
            self.say_alive()
        return self._ring.consume(_AT_ONCE)

    def say_alive(self) -> None:
        """Let the programs know that somebody reads."""
        self._say(frozenset() if self._has_stopped else self._kinds)

    def stop(self) -> None:
        """From now on no more events are made; those that were can be read still."""
        self._has_stopped = True
        self.say_alive()

    def missed(self) -> dict[str, int]:
        """Since the beginning: events ``limited``, and ``lost`` because the buffer was full."""
        now, kinds = self._live.event_counts(), [int(kind) for kind in self._kinds]
        return {
            what: int(now[what][kinds].sum() - self._before[what][kinds].sum())
            for what in ("limited", "lost")
        }

    def _say(self, kinds: frozenset[EventKind]) -> None:
        record = np.zeros(1, EVENT_CONTROL)[0]
        record["alive_jiffies"] = self._live.jiffies_now()
        record["kinds"] = sum(1 << kind for kind in kinds)
        record["limits"] = self._limit
        self._control.update(FIRST_KEY, record.tobytes())
        self._said_at = time.monotonic()

    def _on_record(self, raw: bytes) -> None:
        """What a reader before us has left is old."""
        if int.from_bytes(raw[_AT_NS], "little") >= self._started_ns:
            self._on_event(raw)


def _ignore(raw: bytes) -> None:
    del raw


@contextmanager
def event_reader(
    live: Live,
    kinds: frozenset[EventKind],
    on_event: Callable[[bytes], None],
    limit: int = DEFAULT_LIMIT,
) -> Iterator[EventReader]:
    """The reader, alone: BusyError where there is one. Needs CAP_BPF, as it writes to maps."""
    with ExitStack() as open_:
        try:
            open_.enter_context(only_reader(live.pins.root, "events"))
        except MissingPrivilegeError:
            raise MissingPrivilegeError(
                "no permission to read events: only root may, since a ring buffer has one reader, "
                "who writes to it; tables ('trafficmon top …') may be read by the group of "
                "'attach --group'"
            ) from None
        ring = open_.enter_context(open_map(live.pins, "events"))
        control = open_.enter_context(open_map(live.pins, "event_control"))
        reader = EventReader(live, ring, control, kinds, limit, on_event)
        open_.callback(reader.close)
        yield reader
