# SPDX-License-Identifier: MIT
"""Ctrl-C and its like, kept for moments that can bear them."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_KEPT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def deferred(besides: tuple[signal.Signals, ...] = ()) -> Iterator[Callable[[], None]]:
    """Keep what would end the process until what is yielded is called, or for ever.

    The call raises KeyboardInterrupt if there was a signal. Left to itself, Python raises it
    between any two bytecodes: also in callbacks from C and in destructors, where it is printed and
    forgotten. Signals that the process ignores stay ignored. Outside the main thread, which alone
    gets signals, nothing is changed. ``besides``: signals that are not kept.
    """
    came: list[int] = []

    def check() -> None:
        if came:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield check
        return
    before = {
        number: handler
        for number in _KEPT
        if number not in besides
        and (handler := signal.getsignal(number)) not in (signal.SIG_IGN, None)
    }
    for number in before:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield check
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Received:
    """Whether a signal has been received since the last look."""

    def __init__(self, number: signal.Signals) -> None:
        self._has_come = False
        signal.signal(number, self._note)

    def _note(self, number: int, frame: object) -> None:
        del number, frame
        self._has_come = True

    def take(self) -> bool:
        """Whether it has; then not again until the next one."""
        has_come, self._has_come = self._has_come, False
        return has_come
