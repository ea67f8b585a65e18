# SPDX-License-Identifier: MIT
"""The grid: a cursor that stays with its row, heads to click on, rows as they are scrolled to."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.tui.drive import drawn, open_tab, press, quiet, read_again, run, screen, table
from tests.tui.fake import FakeSource
from tests.unit.sample_builder import SampleBuilder
from trafficmon.tui.app import TrafficApp
from trafficmon.tui.panes.detail import DetailScreen

MANY, FEW = 400, 60
HEAD_LINE, FIRST_LINE = 0, 1


class Crowd(FakeSource):
    """Many flows, each as busy as its number."""

    many = MANY

    def _flows(self, fake: SampleBuilder, more: int) -> None:  # type: ignore[override]
        for number in range(self.many):
            remote = f"10.0.{number // 100 + 1}.{number % 100}"
            rx = (10, number * (1000 + more))
            fake.flow("10.0.0.1", remote, ports=(443, 50000), rx=rx)


@pytest.fixture
def crowd() -> Crowd:
    return Crowd()


def loaded(app: TrafficApp) -> int:
    shown = table(app, "flows").shown
    assert shown is not None
    return len(shown.records)


def test_rows_are_read_as_they_are_scrolled_to(crowd: Crowd, settings: Path) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await open_tab(app, pilot, "flows")
        assert loaded(app) == 100
        for _ in range(10):
            await press(app, pilot, "end")
        view = table(app, "flows")
        assert loaded(app) == MANY
        assert view.grid.cursor_row == MANY - 1
        seen = await drawn(app, pilot, "10.0.1.0 ")
        assert "10.0.1.0 " in seen
        await press(app, pilot, "home")
        assert "10.0.4.99" in await drawn(app, pilot, "10.0.4.99")
        await read_again(app, pilot)
        assert loaded(app) == 100

    run(crowd, settings, act)


def test_the_cursor_stays_with_its_row(crowd: Crowd, settings: Path) -> None:
    crowd.many = FEW

    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await open_tab(app, pilot, "flows")
        await press(app, pilot, "t", "down", "down", "down")
        view = table(app, "flows")
        chosen = view.chosen()
        assert chosen is not None
        await press(app, pilot, "r")
        again = view.chosen()
        assert again is not None
        assert again["remote_addr"] == chosen["remote_addr"]
        assert view.grid.cursor_row == FEW - 1 - 3
        await press(app, pilot, "pageup", "pageup")
        assert view.grid.cursor_row == 0
        await press(app, pilot, "pagedown")
        assert view.grid.cursor_row > 20

    run(crowd, settings, act)


def test_a_click_on_a_head_sorts_and_once_more_turns_round(
    source: FakeSource, settings: Path
) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await open_tab(app, pilot, "flows")
        view = table(app, "flows")
        for _ in range(2):
            at = screen(app).splitlines()[3].index("RX PACKETS")
            await pilot.click(view.grid, offset=(at + 2, HEAD_LINE))
            await quiet(app, pilot)
            assert view.shown is not None
            assert view.shown.sorted_by == "rx_packets"
        assert view.shown is not None
        assert view.shown.is_reversed

    run(source, settings, act)


def test_a_click_takes_the_cursor_and_another_opens(source: FakeSource, settings: Path) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await open_tab(app, pilot, "flows")
        view = table(app, "flows")
        await pilot.click(view.grid, offset=(3, FIRST_LINE + 1))
        await quiet(app, pilot)
        assert view.grid.cursor_row == 1
        assert not isinstance(app.screen, DetailScreen)
        await pilot.click(view.grid, offset=(3, FIRST_LINE + 30))  # below the last row
        await pilot.click(view.grid, offset=(3, FIRST_LINE + 1))
        await quiet(app, pilot)
        assert isinstance(app.screen, DetailScreen)

    run(source, settings, act)
