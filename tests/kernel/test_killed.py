# SPDX-License-Identifier: MIT
"""Commands that end at any moment: one `detach` later nothing of ours is left."""

from __future__ import annotations

import os
import random
import signal
import statistics
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import pytest

from tests.kernel import foreign, leftovers
from tests.kernel.attached import WAYS, lock_of, program_in
from tests.kernel.foreign import Foreign
from tests.kernel.program import Program
from tests.lab import raw
from tests.lab.namespace import Namespace
from tests.lab.veth import Link, connect
from trafficmon.libbpf.clsact import Side
from trafficmon.libbpf.link import AttachType

pytestmark = pytest.mark.kernel

KILLS = {"tcx": 70, "clsact": 70, "native": 60}
SINGLE_KILLS = {"tcx": 12, "clsact": 18, "native": 12}
INTERRUPTS = {"tcx": 12, "clsact": 12, "native": 12}
SEED = 20260101
COMMANDS = ("attach", "detach", "replace")
_FRAMES = 25


@dataclass
class Victim:
    """`trafficmon` in a namespace with two interfaces to watch and one to leave alone.

    ``shared`` carries other people's filters and tcx programs, ``clean`` nothing, ``theirs``
    somebody else's XDP program.
    """

    program: Program
    options: tuple[str, ...]
    dice: random.Random
    shared: Link
    clean: Link
    theirs: Link
    durations: dict[str, float] = field(default_factory=dict)

    def argv(self, command: str) -> list[str]:
        """One of COMMANDS as a command line."""
        trafficmon = [sys.executable, "-m", "trafficmon"]
        argv = ["env", f"TRAFFICMON_PIN_DIR={self.program.pin_dir}", *trafficmon]
        if command == "detach":
            return [*argv, "detach"]
        named = [f"--iface={link.right.interface}" for link in (self.shared, self.clean)]
        replace = ["--replace"] if command == "replace" else []
        return [*argv, "attach", *named, *self.options, *replace]

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
        if command != "attach" and self.dice.random() < 0.6:
            self.complete("attach")
        return self.strike(command, signal.SIGKILL) == -signal.SIGKILL

    def nothing_is_left(self, hooks_before: str) -> None:
        """In the file system, and at the interfaces."""
        assert not self.program.pin_dir.exists()
        assert not lock_of(self.program).exists()
        assert leftovers.hooks(self.program.namespace) == hooks_before


@contextmanager
def victim(way: str, seed: int) -> Iterator[Victim]:
    """With commands killed by ``WAYS[way]``; measured."""
    with ExitStack() as stack:
        peer = stack.enter_context(Namespace("peer"))
        namespace = stack.enter_context(Namespace("victim"))
        links = [
            connect(peer, namespace, names=(f"tm{name}0", f"tm{name}1"), network=10 + number)
            for number, name in enumerate(("shared", "clean", "theirs"))
        ]
        program = stack.enter_context(program_in(namespace))
        made = Victim(program, WAYS[way], random.Random(seed), *links)
        made.measure()
        yield made


@contextmanager
def others_on(made: Victim) -> Iterator[dict[str, Foreign]]:
    """Other people's programs on the interfaces, by where they are."""
    shared = made.shared.right
    with (
        foreign.on_tcx(shared, AttachType.TCX_INGRESS) as tcx,
        foreign.on_clsact(shared, Side.INGRESS) as clsact,
        foreign.on_xdp(made.theirs.right) as xdp,
    ):
        yield {"tcx": tcx, "clsact": clsact, "xdp": xdp}


def others_still_count(made: Victim, others: dict[str, Foreign]) -> None:
    """Each of them sees each frame."""
    before = {name: one.packets() for name, one in others.items()}
    for link in (made.shared, made.theirs):
        raw.arp_broadcast(link.left, "10.0.1.77", _FRAMES)
    after = {name: one.packets() for name, one in others.items()}
    assert after == {name: count + _FRAMES for name, count in before.items()}


def killed_many_times(way: str, kills: int) -> int:
    """Kill upon kill, then one detach. How many hit a running command."""
    with victim(way, SEED) as made, others_on(made) as others:
        hooks_before = leftovers.hooks(made.program.namespace)
        hit = 0
        while hit < kills:
            hit += made.kill()
        made.complete("detach")
        made.nothing_is_left(hooks_before)
        others_still_count(made, others)
    return hit


def killed_once_each(way: str, kills: int) -> int:
    """A detach after every kill, where nothing earlier or later can hide what it left."""
    with victim(way, SEED + 1) as made:
        hooks_before = leftovers.hooks(made.program.namespace)
        hit = 0
        while hit < kills:
            hit += made.kill()
            made.complete("detach")
            made.nothing_is_left(hooks_before)
    return hit


def interrupted(way: str, interrupts: int) -> int:
    """Ctrl-C: attach itself takes back what it has done so far, or is through already."""
    with victim(way, SEED + 2) as made:
        hooks_before = leftovers.hooks(made.program.namespace)
        hit = 0
        while hit < interrupts:
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


def side_by_side(work: object, share: dict[str, int]) -> int:
    """All ways at the same time, in namespaces and pin directories of their own."""
    assert callable(work)
    with ThreadPoolExecutor(len(share)) as pool:
        return sum(pool.map(work, share.keys(), share.values()))


def test_two_hundred_kills_and_one_detach_leave_nothing() -> None:
    """Attach, detach and replace killed at random moments, beside programs of other people."""
    assert sum(KILLS.values()) == 200
    before = leftovers.loaded()
    assert side_by_side(killed_many_times, KILLS) == 200
    assert not leftovers.orphans(before)


def test_a_kill_and_a_detach_leave_nothing() -> None:
    before = leftovers.loaded()
    assert side_by_side(killed_once_each, SINGLE_KILLS) == sum(SINGLE_KILLS.values())
    assert not leftovers.orphans(before)


def test_an_interrupted_attach_takes_itself_back() -> None:
    before = leftovers.loaded()
    assert side_by_side(interrupted, INTERRUPTS) == sum(INTERRUPTS.values())
    assert not leftovers.orphans(before)
