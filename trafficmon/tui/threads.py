# SPDX-License-Identifier: MIT
"""Work in a thread of its own, which no exit waits for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """What ``work`` returns, or raises.

    Not in a pool: Python waits for a pool's threads before it ends, and ``work`` may hang, as where
    it asks for a name of a user that is on another machine.
    """
    done: Future[T] = Future()

    def run() -> None:
        try:
            outcome = work()
        except BaseException as error:  # noqa: BLE001 - it is raised again where the work was requested
            if done.set_running_or_notify_cancel():
                done.set_exception(error)
        else:
            if done.set_running_or_notify_cancel():
                done.set_result(outcome)

    threading.Thread(target=run, name="reading", daemon=True).start()
    return await asyncio.wrap_future(done)
