# SPDX-License-Identifier: MIT
"""Members of --group see what was taken away, or that it is not known to them."""

from __future__ import annotations

import grp
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.kernel.attached import attach
from tests.kernel.needs import needs_tcx
from tests.kernel.ordinary import run_ordinary
from tests.kernel.owned import Place, place_of
from tests.kernel.program import Program
from tests.kernel.reported_state import hooks_of
from tests.kernel.test_cgroup_taken_away import BY_LINK, MADE_AGAIN
from tests.kernel.test_taken_away import OPTIONS, SERVER, Stage, detach_by_force, staged

pytestmark = pytest.mark.kernel

GROUP = "games"
MEMBER = (grp.getgrnam(GROUP).gr_gid,)
NOT_KNOWN = ("unknown", "only root may query the kernel")


def reported(program: Program, code: int) -> dict[str, tuple[str, str | None]]:
    """State and reason of each hook that is to be there, as a member sees them."""
    done = run_ordinary(program.namespace, MEMBER, "status", "--json", pin_dir=program.pin_dir)
    assert done.returncode == code, (done.stdout, done.stderr)
    hooks: list[dict[str, Any]] = hooks_of(json.loads(done.stdout))
    return {h["hook"]: (h["state"], h["state_reason"]) for h in hooks if h["state"]}


@contextmanager
def at_interface(way: str) -> Iterator[Stage]:
    with staged(way) as stage:
        attach(stage.program, SERVER, options=(*OPTIONS[way], "--group", GROUP))
        yield stage


def test_filters_and_xdp_programs_are_no_secret() -> None:
    with at_interface("clsact") as stage:
        assert reported(stage.program, 0) == {"tc_rx": ("alive", None), "tc_tx": ("alive", None)}
        stage.tc("filter", "del", "dev", SERVER, "egress")
        states = reported(stage.program, 1)
        assert (states["tc_rx"][0], states["tc_tx"][0]) == ("alive", "gone")


def test_an_xdp_program_is_seen_and_a_tcx_link_is_not() -> None:
    needs_tcx()
    with at_interface("native") as stage:
        assert reported(stage.program, 0) == {"xdp": ("alive", None), "tc_tx": NOT_KNOWN}
        detach_by_force(stage, "xdp")
        states = reported(stage.program, 1)
        assert states["xdp"] == ("gone", "its interface carries no XDP program")
        assert states["tc_tx"] == NOT_KNOWN


@pytest.fixture
def place() -> Iterator[Place]:
    with place_of(attach=False) as made:
        made.attach("--group", GROUP)
        yield made


@pytest.mark.long
def test_a_cgroup_that_was_made_again_is_no_secret(place: Place) -> None:
    states = reported(place.program, 0)
    assert {states[hook] for hook in BY_LINK} == {NOT_KNOWN}
    place.cgroup.rmdir()
    place.cgroup.mkdir()
    states = reported(place.program, 1)
    for hook in BY_LINK:
        assert states[hook][0] == "gone"
        assert MADE_AGAIN in (states[hook][1] or "")
    place.attach("--replace")
    assert {reported(place.program, 0)[hook] for hook in BY_LINK} == {NOT_KNOWN}


def test_a_removed_pin_is_no_secret(place: Place) -> None:
    (place.program.pin_dir / "links" / "cgroup_rx").unlink()
    states = reported(place.program, 1)
    assert states["cgroup_rx"] == ("gone", "the pin of its link was removed")
    assert states["cgroup_tx"] == NOT_KNOWN
