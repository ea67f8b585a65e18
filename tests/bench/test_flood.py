# SPDX-License-Identifier: MIT
"""What all layers cost of a flood, and how much of it the kernel takes for calling programs at all.

Between one sender and one receiver: programs are put on and taken off within milliseconds, so what
else slows the machine down meets all ways alike, and a median over many turns is sharp. No one is
woken: whether a receiver sleeps is chance, and costs more than all that is measured here.

Empty programs at the hooks that a datagram comes by (tc, cgroup, the tracepoints of sends and
receives) are the least that any monitor with these layers costs; each hook is reported alone, too.
"""

from __future__ import annotations

import statistics
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from pathlib import Path

import pytest

from tests.bench.contenders import Contenders
from tests.bench.hooks import PASSED, Place, empty_hooks, our_hooks
from tests.bench.report import Row, publish
from tests.bench.rounds import alternate, two_cpus
from tests.lab import processes
from tests.lab.cgroup import entering, own_cgroup
from tests.lab.lab import Lab

pytestmark = pytest.mark.bench

TURNS = 100
PACKETS = 3_000  # a burst, some 20 ms
MOST_OVER_EMPTY = 0.05
_NOTHING, _EMPTY, _OURS = "nothing", "empty programs", "all layers"
_PORT = "7000"


class Flood:
    """A watched receiver, and a sender that sends bursts on request."""

    def __init__(self, lab: Lab, flood: Path, cgroup: Path, stack: ExitStack) -> None:
        self.place = Place(lab.server_end, cgroup, stack)
        sender_cpu, receiver_cpu = two_cpus()
        receive = ["taskset", "-c", receiver_cpu, str(flood), "drain", _PORT]
        receiver = lab.server.popen(entering(cgroup, receive))
        stack.callback(lab.server.end, receiver)
        processes.read_until(receiver, receiver.stdout, "ready")
        send = [str(flood), "bursts", lab.server_end.address(4), _PORT, str(PACKETS)]
        command = ["taskset", "-c", sender_cpu, *send]
        self._sender = lab.client.popen(command, stdin=subprocess.PIPE)
        stack.callback(lab.client.end, self._sender)

    def burst(self) -> float:
        """Nanoseconds a packet."""
        assert self._sender.stdin
        self._sender.stdin.write("\n")
        self._sender.stdin.flush()
        return float(processes.read_until(self._sender, self._sender.stdout, "\n"))


@pytest.fixture
def flood(flood_program: Path) -> Iterator[Flood]:
    with Lab(offloads=True) as lab, own_cgroup("flood") as cgroup, ExitStack() as stack:
        yield Flood(lab, flood_program, cgroup, stack)


@pytest.mark.timeout(300)
def test_no_more_than_empty_programs(flood: Flood, contenders: Contenders) -> None:
    """Counting a small datagram costs at most 5 % of it, above programs that do nothing."""
    with ExitStack() as stack:
        empty = empty_hooks(flood.place, contenders, stack)
        ours = our_hooks(flood.place, stack)
        assert set(PASSED) <= set(ours.kinds)
        put: dict[str, Callable[[], AbstractContextManager[None]]] = {
            _NOTHING: nullcontext,
            _EMPTY: empty.attached,
            _OURS: ours.attached,
        }
        for kind in PASSED:
            put[f"{kind}, empty"] = partial(empty.attached, kind)
            put[f"{kind}, ours"] = partial(ours.attached, kind)

        def measure(way: str) -> float:
            with put[way]():
                return flood.burst()

        took = alternate(tuple(put), TURNS, measure)
    publish("flood-hooks", f"UDP flood, medians of {TURNS} turns", [_row(took, w) for w in put])
    assert _kept(took, _OURS, _EMPTY) > 1 - MOST_OVER_EMPTY


def _row(took: dict[str, list[float]], way: str) -> Row:
    more = statistics.median(
        mine - base for mine, base in zip(took[way], took[_NOTHING], strict=True)
    )
    return {
        "attached": way,
        "ns a packet": statistics.median(took[way]),
        "more than nothing": more,
        "of nothing": _kept(took, way, _NOTHING),
        "of empty programs": _kept(took, way, _EMPTY),
    }


def _kept(took: dict[str, list[float]], way: str, beside: str) -> float:
    """Of the throughput; turn by turn, as machines are faster at times."""
    turns = zip(took[way], took[beside], strict=True)
    return statistics.median(other / mine for mine, other in turns)
