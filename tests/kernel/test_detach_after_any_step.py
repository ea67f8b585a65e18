# SPDX-License-Identifier: MIT
"""Killed between any two steps: each change to the kernel or the pins, one after the other."""

from __future__ import annotations

import itertools
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.kernel import leftovers
from tests.kernel.attached import WAYS, attach, lock_of, program_in, run_patched
from tests.kernel.program import Program
from tests.lab.namespace import Namespace
from tests.lab.veth import connect

pytestmark = pytest.mark.kernel

COMMANDS = {
    "attach": ("attach", "--iface", "tmright"),
    "replace": ("attach", "--replace"),
    "detach": ("detach",),
}
DIE_BEFORE_STEP = """
import functools, itertools, os, pathlib, signal
from trafficmon.libbpf import clsact, handle, link, map

count = itertools.count()

def deadly(step):
    @functools.wraps(step)
    def counted(*arguments, **options):
        if next(count) == {number}:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(*arguments, **options)
    return counted

for owner, names in (
    (pathlib.Path, ("mkdir", "unlink", "rmdir", "replace")),
    (handle.Handle, ("pin",)),
    (map.Map, ("update",)),
    (link, ("_create",)),
    (link.Link, ("update", "detach")),
    (clsact, ("make_qdisc", "remove_qdisc", "add_filter", "remove_filter")),
):
    for name in names:
        setattr(owner, name, deadly(getattr(owner, name)))
"""


def killed_at_every_step(way: str, command: str) -> int:
    """How many steps the command has; looks after each of them."""
    with Namespace("left") as left, Namespace("right") as right, program_in(right) as program:
        connect(left, right)
        before = leftovers.hooks(right)
        for number in itertools.count():
            if command != "attach":
                attach(program, "tmright", options=WAYS[way])
            options = () if command == "detach" else WAYS[way]
            patch = DIE_BEFORE_STEP.format(number=number)
            status = run_patched(program, patch, *COMMANDS[command], *options).returncode
            assert status in {0, -signal.SIGKILL}
            _detach_once(program, before, f"{way}, {command}, step {number}")
            if status == 0:
                return number
    raise AssertionError


def _detach_once(program: Program, hooks_before: str, where: str) -> None:
    program.run("detach")
    assert not program.pin_dir.exists(), where
    assert not lock_of(program).exists(), where
    assert leftovers.hooks(program.namespace) == hooks_before, where


def test_a_detach_cleans_up_behind_every_step() -> None:
    before = leftovers.loaded()
    cases = list(itertools.product(("clsact", "native"), COMMANDS))
    with ThreadPoolExecutor(4) as pool:
        counts = pool.map(killed_at_every_step, *zip(*cases, strict=True))
        steps = dict(zip(cases, counts, strict=True))
    assert not leftovers.orphans(before)
    fewest = {"attach": 15, "replace": 5, "detach": 15}
    assert all(count > fewest[command] for (_, command), count in steps.items()), steps


def test_an_attach_goes_on_from_every_step() -> None:
    """Instead of a detach: attach again finishes what the kill has cut short."""
    with Namespace("left") as left, Namespace("right") as right, program_in(right) as program:
        connect(left, right)
        before = leftovers.hooks(right)
        for number in itertools.count():
            patch = DIE_BEFORE_STEP.format(number=number)
            command = ("attach", "--iface", "tmright", *WAYS["clsact"])
            status = run_patched(program, patch, *command).returncode
            attach(program, "tmright", options=WAYS["clsact"])
            (interface,) = program.status()["interfaces"]
            assert (interface["state"], interface["tc_mode"]) == ("attached", "clsact"), number
            assert leftovers.hooks(right).count("direct-action") == 2, number
            _detach_once(program, before, f"step {number}")
            if status == 0:
                break
