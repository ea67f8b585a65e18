# SPDX-License-Identifier: MIT
"""Attaching to many interfaces: the kernel verifies the programs of several at a time.

Each interface has programs of its own, and the verifier takes 40 ms for each of them, which is
nearly all of an attach. It runs on as many CPUs as call it. All else is done by one thread at a
time, the one that holds the lock; Store.let_others_work() gives it up.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import TypeVar

_MOST_THREADS = 8

_Of = TypeVar("_Of")
_Done = TypeVar("_Done")


@contextmanager
def side_by_side(
    turn: Lock, work: Callable[[_Of], _Done], every: Sequence[_Of]
) -> Iterator[Iterator[_Done]]:
    """Yields what ``work`` made of ``every`` one, in their order.

    What is not begun when an error, or Ctrl-C, ends the block is left; what is begun is waited for.
    """
    threads = min(len(os.sched_getaffinity(0)), _MOST_THREADS, len(every))
    if threads < 2:
        yield (work(one) for one in every)
        return

    def in_turn(one: _Of) -> _Done:
        with turn:
            return work(one)

    with ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(in_turn, one) for one in every]
        try:
            yield (future.result() for future in futures)
        finally:
            _leave(futures)


def _leave(futures: Sequence[Future[_Done]]) -> None:
    for future in futures:
        future.cancel()
