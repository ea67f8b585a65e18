# SPDX-License-Identifier: MIT
"""The dashboard over made-up readings: keys, tabs, what is wrong, and what strangers write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui.drive import (
    NARROW,
    WIDE,
    drawn,
    open_tab,
    press,
    quiet,
    read_again,
    remotes,
    run,
    table,
    type_filter,
)
from tests.tui.fake import FakeSource
from tests.unit.sample_builder import SampleBuilder
from trafficmon.errors import LayoutError, MissingPrivilegeError, NotAttachedError, TrafficmonError
from trafficmon.tui.app import TABS, TrafficApp
from trafficmon.tui.panes.detail import DetailScreen
from trafficmon.tui.settings import Settings

SHOWN = {
    "overview": "eth0",
    "flows": "10.0.0.2",
    "hosts": "10.0.0.2",
    "processes": "nginx",
    "users": "root",
    "ports": "443",
    "cgroups": "system.slice",
    "layers": "the network",
    "events": "dropped",
}


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_every_tab_is_shown(source: FakeSource, settings: Path, size: tuple[int, int]) -> None:
    seen = {}

    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        for tab in TABS:
            seen[tab] = await drawn(app, pilot, SHOWN.get(tab, " by "))
            await press(app, pilot, "right_square_bracket")

    run(source, settings, act, size)
    for tab, text in seen.items():
        assert SHOWN.get(tab, " by ") in text, f"{tab}:\n{text}"
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_rates_take_the_place_of_bytes_until_totals_are_requested(
    source: FakeSource, settings: Path
) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await press(app, pilot, "right_square_bracket")
        assert "rx_rate" in table(app, "flows").sortable()
        await press(app, pilot, "t")
        assert "rx_bytes" in table(app, "flows").sortable()
        await press(app, pilot, "t", "b")
        assert "bit/s" in await drawn(app, pilot, "bit/s")

    run(source, settings, act)
    remembered = Settings.load(settings)
    assert (remembered.tab, remembered.bits, remembered.totals) == ("flows", True, False)


def test_sorted_by_any_column_and_the_other_way_round(source: FakeSource, settings: Path) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await press(app, pilot, "right_square_bracket", "t")
        view = table(app, "flows")
        app._sort_by("rx_bytes")
        await quiet(app, pilot)
        assert remotes(app) == ["10.0.0.2", "10.0.0.3", "2001:db8::9"]
        await press(app, pilot, "r")
        assert remotes(app) == ["2001:db8::9", "10.0.0.3", "10.0.0.2"]
        for _ in view.sortable():
            await press(app, pilot, "s")
            assert view.shown is not None
            assert view.shown.sorted_by in view.sortable()

    run(source, settings, act)
    assert "flows" in Settings.load(settings).sort


def test_a_filter_and_away_with_it(source: FakeSource, settings: Path) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await press(app, pilot, "right_square_bracket")
        await type_filter(app, pilot, "comm nginx and ip")
        assert remotes(app) == ["10.0.0.2"]
        reported = "1 of 1 that match, of 3"
        assert reported in await drawn(app, pilot, reported)
        await press(app, pilot, "escape")
        assert len(remotes(app)) == 3

    run(source, settings, act)


def test_a_filter_holds_while_it_is_typed(source: FakeSource, settings: Path) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await press(app, pilot, "right_square_bracket", "slash")
        field = app.query_one("#filter", Input)
        for text, rows in (("host 10.0.0.2", 1), ("host 10.0.0.2 or", 1), ("ip", 2), ("", 3)):
            field.value = text
            await quiet(app, pilot)
            assert len(remotes(app)) == rows, text
            assert not app._notifications

    run(source, settings, act)


def test_a_slash_in_a_filter_is_a_slash(source: FakeSource, settings: Path) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await press(app, pilot, "right_square_bracket", "slash", *"host", "space", *"10.0.0.2")
        await press(app, pilot, "slash", "3", "2", "enter")
        assert remotes(app) == ["10.0.0.2"]

    run(source, settings, act)


@pytest.mark.parametrize("text", ["prot tcp", "port", "(ip", "host [red]"])
def test_a_mistake_in_a_filter_is_reported_and_nothing_else_happens(
    source: FakeSource, settings: Path, text: str
) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await press(app, pilot, "right_square_bracket")
        await type_filter(app, pilot, text)
        assert any("^" in notice.message for notice in app._notifications)
        assert app.query_one("#filter", Input).display
        assert len(remotes(app)) == 3

    run(source, settings, act)


def test_what_a_table_cannot_answer_is_reported(source: FakeSource, settings: Path) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await press(app, pilot, "right_square_bracket")
        await type_filter(app, pilot, "comm nginx")
        await open_tab(app, pilot, "protocols")
        assert any("cannot be filtered by" in notice.message for notice in app._notifications)

    run(source, settings, act)


def test_frozen_it_stands_still(source: FakeSource, settings: Path) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await press(app, pilot, "space")
        before = source.readings
        app.refresh_data()
        await quiet(app, pilot)
        assert source.readings == before
        assert "FROZEN" in await drawn(app, pilot, "FROZEN")
        await press(app, pilot, "space")
        assert source.readings > before

    run(source, settings, act)


def test_a_row_in_full(source: FakeSource, settings: Path) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await press(app, pilot, "right_square_bracket", "enter")
        assert isinstance(app.screen, DetailScreen)
        assert "THROUGH THE LAYERS" in await drawn(app, pilot, "THROUGH THE LAYERS")
        await press(app, pilot, "escape")
        assert not isinstance(app.screen, DetailScreen)

    run(source, settings, act)


def test_export(
    source: FakeSource, settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await press(app, pilot, "right_square_bracket", "e")

    run(source, settings, act)
    (exported,) = tmp_path.glob("trafficmon-flows-*.json")
    assert len(json.loads(exported.read_text())) == 3
    assert len(exported.with_suffix(".csv").read_text().splitlines()) == 4


def test_export_of_events(
    source: FakeSource, settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which have not all the same fields."""
    monkeypatch.chdir(tmp_path)

    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await open_tab(app, pilot, "events")
        await press(app, pilot, "e")

    run(source, settings, act)
    (exported,) = tmp_path.glob("trafficmon-events-*.csv")
    head, *lines = exported.read_text().splitlines()
    assert {"reason", "comm", "location"} <= set(head.split(","))
    assert len(lines) == 2


@pytest.mark.parametrize(
    ("error", "says", "size"),
    [
        (NotAttachedError("nothing is attached"), "trafficmon attach --iface", WIDE),
        (MissingPrivilegeError("no permission to look"), "Run it as root", NARROW),
        (LayoutError("counts in record layout 1"), "attach --replace", NARROW),
        (TrafficmonError("something [bold]else"), "something [bold]else", WIDE),
    ],
)
def test_what_is_wrong_is_a_screen_and_goes_by_itself(
    source: FakeSource, settings: Path, error: TrafficmonError, says: str, size: tuple[int, int]
) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        assert says in await drawn(app, pilot, says)
        source.error = None
        await read_again(app, pilot)
        assert not app._problem.display
        assert "eth0" in await drawn(app, pilot, "eth0")
        source.error = NotAttachedError("it has gone")
        await read_again(app, pilot)
        assert "it has gone" in await drawn(app, pilot, "it has gone")

    source.error = error
    run(source, settings, act, size)


def test_counters_that_began_anew_are_reported(source: FakeSource, settings: Path) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        source.attached_at_ns = 8
        await read_again(app, pilot)
        assert any("restarted" in notice.message for notice in app._notifications)

    run(source, settings, act)


def test_strangers_words_are_shown_as_they_are(source: FakeSource, settings: Path) -> None:
    """No markup is taken for markup, no control character reaches the terminal."""
    Settings(tab="processes").save(settings)
    seen = {}

    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        seen["text"] = await drawn(app, pilot, r"\x1b")

    run(source, settings, act)
    assert r"\x1b[31m[red]ev" in seen["text"]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"tab": 7, "sort": "x", "theme": "none"}'])
def test_damaged_settings_are_as_none(source: FakeSource, settings: Path, damage: str) -> None:
    settings.parent.mkdir()
    settings.write_text(damage)

    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        assert "eth0" in await drawn(app, pilot, "eth0")

    run(source, settings, act)


def test_input_is_not_kept_waiting_by_a_reading(source: FakeSource, settings: Path) -> None:
    """A reading that hangs leaves the keys alive."""
    import threading  # noqa: PLC0415 - here alone

    go_on, real = threading.Event(), FakeSource.reading

    def slow(self: FakeSource) -> SampleBuilder:
        go_on.wait(10)
        return real(self)

    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        source.reading = slow.__get__(source)  # type: ignore[method-assign]
        app.refresh_data(at_once=True)
        await pilot.press("slash")
        await pilot.pause()
        assert app.query_one("#filter", Input).display
        go_on.set()
        await quiet(app, pilot)

    run(source, settings, act)
