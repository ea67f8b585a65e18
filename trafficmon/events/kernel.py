# SPDX-License-Identifier: MIT
"""The ring buffer `events` and its one reader.

The kernel's programs produce events only while a reader renews its heartbeat in `event_control`,
once a second (bpf/events/events.bpf.h); so one that was killed is noticed. A thread renews it: a
reader whose output is blocked is still one, and what the ring buffer then has no room for is
counted.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np

from trafficmon.errors import BpfError, MissingPrivilegeError
from trafficmon.events.attached import Attached
from trafficmon.events.decode import EventDecoder
from trafficmon.events.event import Event
from trafficmon.events.ring import RingSource
from trafficmon.events.stream import Losses
from trafficmon.host import clock
from trafficmon.host.contained import Contained
from trafficmon.host.lock import only_reader
from trafficmon.layout import EVENT_CONTROL, EventKind
from trafficmon.libbpf.map import Map
from trafficmon.pinned import open_map
from trafficmon.records import FIRST_KEY

DEFAULT_LIMIT = 50_000
"""Events a second, of each kind on each CPU."""

_HEARTBEAT_S = 1.0
_AT_ONCE = 4096
_AT_NS = slice(0, 8)  # of tm_event


class Heartbeat:
    """While it beats, the kernel's programs produce events of ``kinds``."""

    def __init__(
        self, attached: Attached, control: Map, kinds: frozenset[EventKind], limit: int
    ) -> None:
        self._attached, self._control = attached, control
        self._kinds, self._limit = kinds, limit
        self._stopped = threading.Event()
        self._renew(self._kinds)
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """From now on no more events are produced."""
        self._stopped.set()
        self._thread.join()
        self._renew(frozenset())

    def _run(self) -> None:
        while not self._stopped.wait(_HEARTBEAT_S):
            try:
                self._renew(self._kinds)
            except BpfError:  # no memory at this moment; the programs wait for five seconds
                continue

    def _renew(self, kinds: frozenset[EventKind]) -> None:
        record = np.zeros(1, EVENT_CONTROL)[0]
        record["alive_jiffies"] = self._attached.jiffies_now()
        record["kinds"] = sum(1 << kind for kind in kinds)
        record["limits"] = self._limit
        self._control.update(FIRST_KEY, record.tobytes())


class KernelEvents(RingSource[Event]):
    """Events of connections, packets and drops: a source of a stream."""

    def __init__(
        self,
        attached: Attached,
        maps: tuple[Map, Map],
        kinds: frozenset[EventKind],
        limit: int,
        contained: Contained,
    ) -> None:
        ring, control = maps
        super().__init__(ring, EventDecoder(attached).decode, contained, _AT_ONCE)
        self._attached, self._kinds = attached, [int(kind) for kind in kinds]
        self._started_ns, self._before = clock.monotonic_ns(), attached.event_counts()
        self._heartbeat = Heartbeat(attached, control, kinds, limit)

    def read_raw(self) -> list[bytes]:
        """What has come. Records that an earlier reader left are dropped."""
        started_ns = self._started_ns
        return [
            raw
            for raw in super().read_raw()
            if int.from_bytes(raw[_AT_NS], sys.byteorder) >= started_ns
        ]

    def stop(self) -> None:
        """From now on no more events are produced; those that were can still be read."""
        self._heartbeat.stop()

    def losses(self) -> Losses:
        """By the kernel's own counts since this was opened."""
        now = self._attached.event_counts()
        limited, lost = (
            int(now[what][self._kinds].sum() - self._before[what][self._kinds].sum())
            for what in ("limited", "lost")
        )
        return super().losses() + Losses(lost=lost, limited=limited)

    def close(self) -> None:
        """No more events are produced, and none is left for the next reader."""
        self.stop()
        while len(super().read_raw()) == _AT_ONCE:
            pass
        super().close()


@contextmanager
def kernel_events(
    attached: Attached, kinds: frozenset[EventKind], limit: int, contained: Contained
) -> Iterator[KernelEvents]:
    """The one source of events of ``kinds``; ``limit`` a second, of each kind on each CPU.

    BusyError where another process reads them. Needs CAP_BPF, as it writes to maps.
    """
    with ExitStack() as open_:
        try:
            open_.enter_context(only_reader(attached.pins.root, "events"))
        except MissingPrivilegeError:
            raise MissingPrivilegeError(
                "no permission to read events: only root may, since a ring buffer has one reader, "
                "who writes to it; tables ('trafficmon top …') may be read by the group of "
                "'attach --group'"
            ) from None
        ring = open_.enter_context(open_map(attached.pins, "events"))
        control = open_.enter_context(open_map(attached.pins, "event_control"))
        source = KernelEvents(attached, (ring, control), kinds, limit, contained)
        open_.callback(source.close)
        yield source
