# SPDX-License-Identifier: MIT
"""Work in several threads, one at a time but while it waits for the kernel."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from trafficmon.attachment.sidebyside import side_by_side
from trafficmon.attachment.store import Store
from trafficmon.pins import PinDirectory


@pytest.fixture(params=[1, 4])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Store:
    """On a machine of one CPU, and of four."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(request.param)))
    return Store(PinDirectory(Path(os.devnull)), {})


def test_results_come_in_the_order_of_the_work(store: Store) -> None:
    def work(number: int) -> int:
        with store.let_others_work():
            time.sleep(0.001 * (number % 3))
        return number

    with side_by_side(store.turn, work, range(20)) as results:
        assert list(results) == list(range(20))
    assert not store.turn.locked()


def test_only_who_waits_for_the_kernel_lets_others_work(store: Store) -> None:
    at_work: list[int] = []
    waiting, most = 0, [0, 0]
    count = threading.Lock()

    def work(number: int) -> None:
        nonlocal waiting
        at_work.append(number)
        most[0] = max(most[0], len(at_work))
        at_work.remove(number)
        with store.let_others_work():
            with count:
                waiting += 1
                most[1] = max(most[1], waiting)
            time.sleep(0.005)
            with count:
                waiting -= 1
        at_work.append(number)
        most[0] = max(most[0], len(at_work))
        at_work.remove(number)

    with side_by_side(store.turn, work, range(12)) as results:
        list(results)
    assert most == [1, len(os.sched_getaffinity(0))]


def test_after_an_error_nothing_more_is_begun_and_what_was_begun_is_over(store: Store) -> None:
    begun, ended = [], []

    def work(number: int) -> None:
        begun.append(number)
        with store.let_others_work():
            time.sleep(0.002)
        if number == 3:
            raise ValueError(number)
        ended.append(number)

    with (
        pytest.raises(ValueError, match="3"),
        side_by_side(store.turn, work, range(200)) as results,
    ):
        list(results)
    assert sorted([*ended, 3]) == sorted(begun)
    assert len(begun) < 20
