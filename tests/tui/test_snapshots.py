# SPDX-License-Identifier: MIT
"""Every tab and state as it looks, narrow and wide, against what was looked at and found good.

The screens are text, so that a review sees what has changed: `UPDATE_SNAPSHOTS=1` writes them anew.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.tui.drive import NARROW, WIDE, open_tab, press, read_again, run, settled
from tests.tui.fake import FakeFeed, FakeSource
from tests.unit.sample_builder import SampleBuilder
from trafficmon.errors import LayoutError, MissingPrivilegeError, NotAttachedError, TrafficmonError
from trafficmon.model.drops import DropNames
from trafficmon.tui.app import TABS, TrafficApp

FOLDER = Path(__file__).parent / "snapshots"
SIZES = {"narrow": NARROW, "wide": WIDE}

pytestmark = pytest.mark.parametrize("size", SIZES)


@pytest.fixture(autouse=True)
def this_kernels_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reasons and functions are of the kernel that runs; and users of the machine."""
    monkeypatch.setattr(DropNames, "reason", lambda _, number: f"REASON_{number}")
    monkeypatch.setattr(DropNames, "location", lambda *_: "tcp_v4_rcv+0x0")
    monkeypatch.setattr(SampleBuilder, "user_name", lambda _, uid: f"user{uid}")


def _file(name: str, size: str) -> Path:
    return FOLDER / f"{name}-{size}.txt"


def check(name: str, size: str, seen: str) -> None:
    path = _file(name, size)
    if os.environ.get("UPDATE_SNAPSHOTS"):
        FOLDER.mkdir(exist_ok=True)
        path.write_text(seen + "\n", encoding="utf-8")
    assert seen + "\n" == path.read_text(encoding="utf-8")


def known(name: str, size: str) -> str | None:
    """What a screen is to look like; None where that is to be written."""
    path = _file(name, size)
    if os.environ.get("UPDATE_SNAPSHOTS") or not path.exists():
        return None
    return path.read_text(encoding="utf-8").removesuffix("\n")


def look(
    source: FakeSource, settings: Path, size: str, *keys: str, name: str, tab: str = "overview"
) -> None:
    """Check the screen after some readings on ``tab``, the last two of them there, and ``keys``."""
    seen = []

    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await open_tab(app, pilot, tab)
        for _ in range(2):
            await read_again(app, pilot)
        await press(app, pilot, *keys)
        seen.append(await settled(app, pilot, known(name, size)))

    run(source, settings, act, SIZES[size])
    check(name, size, seen[0])


@pytest.mark.parametrize("tab", TABS)
def test_tab(source: FakeSource, settings: Path, size: str, tab: str) -> None:
    look(source, settings, size, name=tab, tab=tab)


@pytest.mark.parametrize("tab", ["flows", "processes", "cgroups", "events"])
def test_detail(source: FakeSource, settings: Path, size: str, tab: str) -> None:
    look(source, settings, size, "enter", name=f"detail-{tab}", tab=tab)


@pytest.mark.parametrize("without", ["sockets", "drop"])
def test_a_layer_is_missing(source: FakeSource, settings: Path, size: str, without: str) -> None:
    source.without.add(without)
    tab = {"sockets": "processes", "drop": "layers"}[without]
    look(source, settings, size, name=f"without-{without}", tab=tab)


STATES: dict[str, TrafficmonError] = {
    "not-attached": NotAttachedError("nothing is attached under /sys/fs/bpf/trafficmon"),
    "no-permission": MissingPrivilegeError("/sys/fs/bpf/trafficmon cannot be read"),
    "other-layout": LayoutError("what is attached counts in record layout 1, not 3"),
}


@pytest.mark.parametrize("state", STATES)
def test_state(source: FakeSource, settings: Path, size: str, state: str) -> None:
    source.error = STATES[state]
    look(source, settings, size, name=state)


def test_frozen_totals_and_help(source: FakeSource, settings: Path, size: str) -> None:
    keys = ("t", "space", "question_mark")
    look(source, settings, size, *keys, name="frozen-totals-help", tab="flows")


def test_counters_restarted(source: FakeSource, settings: Path, size: str) -> None:
    seen = []

    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        source.attached_at_ns += 1
        await read_again(app, pilot)
        seen.append(await settled(app, pilot, known("restarted", size)))

    run(source, settings, act, SIZES[size], FakeFeed())
    check("restarted", size, seen[0])
