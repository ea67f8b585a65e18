# SPDX-License-Identifier: MIT
"""Killed between any two steps: each change to the kernel or the pins, one after the other."""

from __future__ import annotations

import itertools
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.kernel import leftovers
from tests.kernel.attached import ALL_LAYERS, lock_of, options_of, program_in
from tests.lab.namespace import Namespace
from tests.lab.veth import connect

pytestmark = pytest.mark.kernel

ROOT = Path(__file__).resolve().parents[2]
FEWEST_STEPS = {"attach": 15, "replace": 5, "detach": 15, "attach-below": 20}
UPPER = "tmupper"


def steps_of(command: str, way: str, *, attach_again: bool = False) -> int:
    """How many steps it has; nothing is left after any of them."""
    with (
        Namespace("left") as left,
        Namespace("right") as right,
        options_of(way) as options,
        program_in(right) as program,
    ):
        connect(left, right)
        right.run(["ip", "link", "add", UPPER, "link", "tmright", "type", "macvlan"])
        right.run(["ip", "link", "set", UPPER, "up"])
        before = leftovers.hooks(right)
        argv = ["env", f"PYTHONPATH={ROOT}", f"TRAFFICMON_PIN_DIR={program.pin_dir}"]
        argv += [sys.executable, "-m", "tests.kernel.step_killer", command, "tmright"]
        argv += [f"--option={option}" for option in options]
        argv += ["--attach-again", "--stride=2"] if attach_again else []
        argv += [f"--above={UPPER}"] if command == "attach-below" else []
        said = right.run(argv, timeout=600).stdout
        assert leftovers.hooks(right) == before
        assert not lock_of(program).exists()
    return int(said)


@pytest.mark.long
def test_a_detach_cleans_up_after_every_step() -> None:
    before = leftovers.loaded()
    cases = list(itertools.product(FEWEST_STEPS, ("native", ALL_LAYERS)))
    with ThreadPoolExecutor(4) as pool:
        counts = pool.map(steps_of, *zip(*cases, strict=True))
        steps = dict(zip(cases, counts, strict=True))
    assert not leftovers.orphans(before)
    assert all(count > FEWEST_STEPS[command] for (command, _), count in steps.items()), steps


@pytest.mark.long
def test_an_attach_continues_from_every_other_step() -> None:
    """Each takes two attaches."""
    before = leftovers.loaded()
    with ThreadPoolExecutor(3) as pool:
        steps = list(
            pool.map(lambda command: steps_of(command, ALL_LAYERS, attach_again=True), FEWEST_STEPS)
        )
    assert not leftovers.orphans(before)
    assert all(count > 5 for count in steps)
