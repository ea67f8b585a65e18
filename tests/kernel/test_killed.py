# SPDX-License-Identifier: MIT
"""Commands that end at any moment: one `detach` later nothing of ours is left."""

from __future__ import annotations

import os
import random
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import pytest

from tests.kernel import leftovers
from tests.kernel.attached import ALL_LAYERS, lock_of, options_of, program_in
from tests.kernel.foreign import Foreign
from tests.kernel.program import Program, within
from tests.lab import raw
from tests.lab.namespace import Namespace
from tests.lab.veth import Link, connect

pytestmark = pytest.mark.kernel

KILLS = {"tcx": 50, "clsact": 50, "native": 40, ALL_LAYERS: 60}
INTERRUPTS = {"tcx": 5, "clsact": 5, "native": 5, ALL_LAYERS: 5}
SEED = 20260101
COMMANDS = ("attach", "detach", "replace")
_FRAMES = 25
_MOST_TRIES = 20


@dataclass
class Victim:
    """`trafficmon` in a namespace with two interfaces to watch and one to leave alone.

    Of those to watch the first carries other people's programs, the second nothing.
    """

    program: Program
    options: tuple[str, ...]
    dice: random.Random
    watched: tuple[Link, Link]
    theirs: Link
    durations: dict[str, float] = field(default_factory=dict)

    def argv(self, command: str) -> list[str]:
        """One of COMMANDS as a command line."""
        trafficmon = [sys.executable, "-m", "trafficmon"]
        # who runs us in the background has SIGINT ignored, and so would what we start
        environment = ["env", "--default-signal=INT", f"TRAFFICMON_PIN_DIR={self.program.pin_dir}"]
        argv = [*environment, *trafficmon]
        if command == "detach":
            return [*argv, "detach"]
        named = [f"--iface={link.right.interface}" for link in self.watched]
        replace = ["--replace"] if command == "replace" else []
        return [*argv, *within(["attach", *named, *self.options, *replace])]

    def complete(self, command: str) -> float:
        """Let it end by itself; how long that took, in seconds."""
        begin = time.monotonic()
        self.program.namespace.run(self.argv(command))
        return time.monotonic() - begin

    def measure(self) -> None:
        """How long each command takes here and now."""
        taken: dict[str, list[float]] = {command: [] for command in COMMANDS}
        for _ in range(3):
            for command in ("attach", "replace", "detach"):
                taken[command].append(self.complete(command))
        self.durations = {command: statistics.median(taken[command]) for command in COMMANDS}

    def strike(self, command: str, number: signal.Signals) -> int | None:
        """Signal it at a random moment of its life; its exit status, None if it was too late."""
        process = self.program.namespace.popen(self.argv(command))
        time.sleep(self.dice.uniform(0, self.durations[command]))
        too_late = process.poll() is not None
        if not too_late:
            os.kill(process.pid, number)
        status = process.wait()
        self.program.namespace.end(process)
        return None if too_late else status

    def kill(self) -> bool:
        """Kill one of COMMANDS, with something attached before or not; False if it was too late."""
        command = self.dice.choice(COMMANDS)
        if command != "attach" and self.dice.random() < 0.5:
            self.complete("attach")
        return self.strike(command, signal.SIGKILL) == -signal.SIGKILL

    def nothing_is_left(self, hooks_before: str) -> None:
        """In the file system, and at the interfaces."""
        assert not self.program.pin_dir.exists()
        assert not lock_of(self.program).exists()
        assert leftovers.hooks(self.program.namespace) == hooks_before


@contextmanager
def victim(way: str, seed: int) -> Iterator[Victim]:
    """With commands killed that attach in one way; measured."""
    with ExitStack() as stack:
        peer = stack.enter_context(Namespace("peer"))
        namespace = stack.enter_context(Namespace("victim"))
        links = [
            connect(peer, namespace, names=(f"tm{name}0", f"tm{name}1"), network=10 + number)
            for number, name in enumerate(("shared", "clean", "theirs"))
        ]
        program = stack.enter_context(program_in(namespace))
        options = stack.enter_context(options_of(way))
        made = Victim(program, options, random.Random(seed), (links[0], links[1]), links[2])
        made.measure()
        yield made


def others_still_count(made: Victim, *others: Foreign) -> None:
    """Each of other people's programs sees each frame."""
    before = [one.runs() for one in others]
    for link in (made.watched[0], made.theirs):
        raw.arp_broadcast(link.left, "10.0.1.77", _FRAMES)
    for one, runs in zip(others, before, strict=True):
        assert one.runs() == {kind: count + _FRAMES for kind, count in runs.items()}


def killed_many_times(way: str, kills: int) -> int:
    """Kill upon kill, then one detach. How many hit a running command."""
    with (
        victim(way, SEED) as made,
        Foreign(made.watched[0].right, "tcx", "filter") as beside,
        Foreign(made.theirs.right, "xdp") as elsewhere,
    ):
        hooks_before = leftovers.hooks(made.program.namespace)
        hit = tried = 0
        while hit < kills and tried < _MOST_TRIES * kills:
            hit += made.kill()
            tried += 1
        made.complete("detach")
        made.nothing_is_left(hooks_before)
        others_still_count(made, beside, elsewhere)
    return hit


def interrupted(way: str, interrupts: int) -> int:
    """Ctrl-C: attach itself takes back what it has done so far, or is through already."""
    with victim(way, SEED + 1) as made:
        hooks_before = leftovers.hooks(made.program.namespace)
        hit = tried = 0
        while hit < interrupts and tried < _MOST_TRIES * interrupts:
            tried += 1
            status = made.strike("attach", signal.SIGINT)
            if made.program.run("status", check=False).returncode == 0:
                states = {i["interface"]: i["state"] for i in made.program.status()["interfaces"]}
                assert set(states.values()) == {"attached"}, states
                assert len(states) == 2
                made.complete("detach")
            else:
                hit += status is not None
            made.nothing_is_left(hooks_before)
    return hit


def side_by_side(work: Callable[[str, int], int], share: dict[str, int]) -> int:
    """All ways at the same time, in namespaces and pin directories of their own."""
    with ThreadPoolExecutor(len(share)) as pool:
        return sum(pool.map(work, share.keys(), share.values()))


@pytest.mark.long
def test_two_hundred_kills_and_one_detach_leave_nothing() -> None:
    """Attach, detach and replace killed at random moments, beside programs of other people."""
    assert sum(KILLS.values()) == 200
    before = leftovers.loaded()
    assert side_by_side(killed_many_times, KILLS) == 200
    assert not leftovers.orphans(before)


@pytest.mark.long
def test_an_interrupted_attach_takes_itself_back() -> None:
    before = leftovers.loaded()
    assert side_by_side(interrupted, INTERRUPTS) == sum(INTERRUPTS.values())
    assert not leftovers.orphans(before)
