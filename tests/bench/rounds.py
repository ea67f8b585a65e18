# SPDX-License-Identifier: MIT
"""Measuring side by side: turns, one CPU, and the comparison at the end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest


def alternate(
    contenders: Sequence[str], rounds: int, measure: Callable[[str], float]
) -> dict[str, list[float]]:
    """``measure`` of every contender in every round; each round begins with another one."""
    measured: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        first = number % len(contenders)
        for name in (*contenders[first:], *contenders[:first]):
            measured[name].append(measure(name))
    return measured


def two_cpus() -> tuple[str, str]:
    """The last two: one for who sends, one for who receives."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        pytest.fail("a sender and a receiver need a CPU each: this machine lends one")
    return str(allowed[-2]), str(allowed[-1])


@contextmanager
def on_one_cpu() -> Iterator[None]:
    """This thread, and what it starts, on one CPU: nothing migrates in the middle of a measurement.

    The last one, as interrupts prefer the first.
    """
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
