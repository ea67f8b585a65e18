# SPDX-License-Identifier: MIT
"""A dashboard over made-up readings, driven by keys; what is requested is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from textual.pilot import Pilot

from tests.tui.fake import Clock, FakeFeed, FakeSource
from trafficmon.tui.app import TrafficApp
from trafficmon.tui.panes.filterfield import FilterField
from trafficmon.tui.panes.tableview import TableView

WIDE, NARROW = (140, 40), (80, 24)
TIME = "12:34:56"
Act = Callable[[TrafficApp, Pilot[None]], Awaitable[None]]


def run(
    source: FakeSource,
    settings: Path,
    act: Act,
    size: tuple[int, int] = WIDE,
    feed: FakeFeed | None = None,
) -> TrafficApp:
    """``act`` in a dashboard; readings are requested by keys, and come in seldom by themselves."""
    app = TrafficApp(
        source,
        feed or FakeFeed(),
        settings,
        interval_s=3600,
        where="/sys/fs/bpf/trafficmon",
        now=Clock(),
        clock=lambda: TIME,
    )

    async def inside() -> None:
        async with app.run_test(size=size, notifications=True) as pilot:
            await quiet(app, pilot)
            await act(app, pilot)

    asyncio.run(inside())
    return app


async def quiet(app: TrafficApp, pilot: Pilot[None]) -> None:
    """Until what was requested is shown."""
    for _ in range(3):
        await app.workers.wait_for_complete()
        await pilot.pause()


async def press(app: TrafficApp, pilot: Pilot[None], *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await quiet(app, pilot)


async def read_again(app: TrafficApp, pilot: Pilot[None]) -> None:
    app.refresh_data(at_once=True)
    await quiet(app, pilot)


async def open_tab(app: TrafficApp, pilot: Pilot[None], name: str) -> None:
    app.action_open_tab(name)
    await quiet(app, pilot)


async def type_filter(app: TrafficApp, pilot: Pilot[None], text: str) -> None:
    await press(app, pilot, "slash")
    app.query_one("#filter", FilterField).value = text
    await press(app, pilot, "enter")


def screen(app: TrafficApp) -> str:
    """What is on it, as text."""
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in line).rstrip() for line in lines)


async def drawn(app: TrafficApp, pilot: Pilot[None], expected: str) -> str:
    """The screen, once it has been drawn with that; what there is after five seconds."""
    for _ in range(50):
        if expected in (seen := screen(app)):
            return seen
        await pilot.pause(0.1)
    return screen(app)


async def settled(app: TrafficApp, pilot: Pilot[None], expected: str | None = None) -> str:
    """The screen, once it has not changed for a while: it is laid out in several steps.

    On a busy machine these are far apart; so what is not ``expected`` gets some seconds more.
    """
    looks: list[str] = []
    for _ in range(160):
        await pilot.pause(0.1)
        looks.append(screen(app))
        if looks[-1] == expected:
            return looks[-1]
        enough = 4 if expected is None else 50
        if len(looks) >= enough and len(set(looks[-enough:])) == 1:
            return looks[-1]
    raise AssertionError("the screen keeps changing")


def table(app: TrafficApp, name: str) -> TableView:
    return app.query_one(f"#table-{name}", TableView)


def remotes(app: TrafficApp) -> list[str]:
    shown = table(app, "flows").shown
    return [] if shown is None else [record["remote_addr"] for record in shown.records]
