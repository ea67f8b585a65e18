# SPDX-License-Identifier: MIT
"""Ring buffers: records from the kernel, in the order in which they were submitted."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from typing import Any

from trafficmon.libbpf._ffi import check, check_pointer, ffi, lib
from trafficmon.libbpf.handle import Closeable
from trafficmon.libbpf.map import Map


@ffi.def_extern(error=-1)  # type: ignore[untyped-decorator]
def tm_on_sample(context: Any, data: Any, size: int) -> int:
    """Called from C for each record; what the handler raises waits until the poll returns."""
    ring: RingBuffer = ffi.from_handle(context)
    try:
        ring.handler(bytes(ffi.buffer(data, size)))
    except BaseException as error:  # noqa: BLE001 - Ctrl-C too: poll() raises it, C cannot carry it
        ring.failure = error
        return -1
    return ring.count_one()


class RingBuffer(Closeable):
    """The one consumer of a ring buffer map."""

    kind = "ring buffer"

    def __init__(self, source: Map, handler: Callable[[bytes], None]) -> None:
        self.name = source.name
        self.handler = handler
        self.failure: BaseException | None = None
        self._left, self._done = -1, 0
        self._context = ffi.new_handle(self)
        pointer = lib.ring_buffer__new(source.fd, lib.tm_on_sample, self._context, ffi.NULL)
        self._pointer = check_pointer(pointer, "open", f"ring buffer {self.name}")

    @property
    def fd(self) -> int:
        """To wait on together with others; readable when there is something."""
        self._require_open()
        return int(lib.ring_buffer__epoll_fd(self._pointer))

    def poll(self, timeout_ms: int) -> int:
        """Hand over what there is, waiting for the first so long. Returns how many records.

        Raises what the handler raised; records after that one stay for the next call. A signal
        ends the wait early, with 0.
        """
        self._require_open()
        result = lib.ring_buffer__poll(self._pointer, timeout_ms)
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure
        return 0 if result == -errno.EINTR else check(result, "read", f"ring buffer {self.name}")

    def consume(self, most: int) -> int:
        """Hand over up to ``most`` records, also those without a wake-up; without waiting.

        A limit, since what comes faster than it is handled would keep us here for ever. Raises
        what the handler raised, as poll().
        """
        self._require_open()
        self._left, self._done = most, 0
        result = lib.ring_buffer__consume(self._pointer)
        is_full, self._left = self._left == 0, -1
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure
        if not is_full:
            check(result, "read", f"ring buffer {self.name}")
        return self._done

    def count_one(self) -> int:
        """A record was handed over; the answer to C: continue (0), or stop."""
        self._done += 1
        self._left -= 1
        return -1 if self._left == 0 else 0

    def is_open(self) -> bool:
        """Whether the memory is ours."""
        return bool(self._pointer != ffi.NULL)

    def close(self) -> None:
        """Give memory and descriptors back."""
        if self._pointer != ffi.NULL:
            lib.ring_buffer__free(self._pointer)
            self._pointer = ffi.NULL


class KeptRing(Closeable):
    """A ring buffer whose records stay in it until they are taken, when all is done with them.

    One consumer at a time: what is not taken, the next one finds again.
    """

    kind = "ring buffer"

    def __init__(self, source: Map) -> None:
        self.name = source.name
        pointer = lib.tm_ring_open(source.fd, source.facts().max_entries)
        self._pointer = check_pointer(pointer, "open", f"ring buffer {self.name}")

    @property
    def taken(self) -> int:
        """Up to which position the records are the kernel's again."""
        self._require_open()
        return int(lib.tm_ring_taken(self._pointer))

    def take(self, position: int) -> None:
        """All records before ``position``."""
        self._require_open()
        lib.tm_ring_take(self._pointer, position)

    def records(self, position: int) -> Iterator[tuple[bytes, int]]:
        """Those from ``position`` on that are there, each with the position after it."""
        at, length = ffi.new("unsigned long long *", position), ffi.new("uint32_t *")
        while True:
            self._require_open()
            found = lib.tm_ring_next(self._pointer, at, length)
            if found == ffi.NULL:
                return
            yield bytes(ffi.buffer(found, length[0])), int(at[0])

    def is_open(self) -> bool:
        """Whether the memory is mapped."""
        return bool(self._pointer != ffi.NULL)

    def close(self) -> None:
        """Unmap it."""
        if self._pointer != ffi.NULL:
            lib.tm_ring_close(self._pointer)
            self._pointer = ffi.NULL
