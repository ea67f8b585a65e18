# SPDX-License-Identifier: MIT
"""Unexpected errors: reported on the screen, kept in a file, and the next reading comes."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui.drive import (
    drawn,
    open_tab,
    press,
    quiet,
    read_again,
    remotes,
    run,
    screen,
)
from tests.tui.fake import Clock, FakeFeed, FakeSource
from tests.unit.sample_builder import SampleBuilder
from tests.waiting import wait_until
from trafficmon.pins import PinDirectory
from trafficmon.tui import app as app_module
from trafficmon.tui.app import TABS, TrafficApp
from trafficmon.tui.panes.detail import DetailScreen
from trafficmon.tui.panes.grid import Grid
from trafficmon.tui.plaintext import Conversation
from trafficmon.tui.readings.feed import LiveFeed

ODD = "protocol 262 [bold]\x1b[31m"


class Failing:
    """Something that fails as often as requested, and then does what it did before."""

    def __init__(self, real: Callable[..., Any], times: int = 1) -> None:
        self._real, self.left = real, times

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        if self.left:
            self.left -= 1
            raise IndexError(ODD)
        return self._real(*arguments, **named)


async def is_reported(app: TrafficApp, pilot: Pilot[None], log: Path) -> None:
    """On the screen, with the file's name, and there with its traceback; nothing raw."""
    await quiet(app, pilot)
    notices = [notice.message for notice in app._notifications]
    assert len(notices) == 1, notices
    assert "IndexError: protocol 262" in notices[0]
    assert str(log) in notices[0]
    assert "\x1b" not in notices[0]
    assert "Traceback" in written(log)
    assert "protocol 262" in written(log)
    app.clear_notifications()


def written(log: Path) -> str:
    return log.read_text()


def test_a_reading_that_fails_is_reported_and_the_next_one_comes(
    source: FakeSource, settings: Path, error_log: Path
) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        for tab in TABS:
            await open_tab(app, pilot, tab)
            source.reading = Failing(source.reading)  # type: ignore[method-assign]
            before = source.readings
            await read_again(app, pilot)
            reported = f"internal error while reading {tab}"
            assert reported in await drawn(app, pilot, reported), tab
            await is_reported(app, pilot, error_log)
            await read_again(app, pilot)
            assert source.readings > before + 1
            assert not app._notifications

    run(source, settings, act)


@pytest.mark.parametrize("step", ["question", "show"])
def test_a_pane_that_cannot_query_or_show_is_reported(
    source: FakeSource, settings: Path, error_log: Path, step: str
) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        for tab in TABS:
            await open_tab(app, pilot, tab)
            pane = app._panes[tab]
            setattr(pane, step, Failing(getattr(pane, step)))
            await read_again(app, pilot)
            await is_reported(app, pilot, error_log)
            await read_again(app, pilot)
            assert not app._notifications, tab

    run(source, settings, act)


def test_a_detail_that_cannot_be_read_or_shown(
    source: FakeSource, settings: Path, error_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await open_tab(app, pilot, "flows")
        monkeypatch.setattr(DetailScreen, "show", failing := Failing(DetailScreen.show, 2))
        await press(app, pilot, "enter")
        assert isinstance(app.screen, DetailScreen)
        assert failing.left == 0
        assert app._notifications
        app.clear_notifications()
        monkeypatch.undo()
        await read_again(app, pilot)
        assert "THROUGH THE LAYERS" in await drawn(app, pilot, "THROUGH THE LAYERS")
        source.reading = Failing(source.reading)  # type: ignore[method-assign]
        await read_again(app, pilot)
        assert "internal error" in await drawn(app, pilot, "internal error")
        await press(app, pilot, "escape")
        assert not isinstance(app.screen, DetailScreen)

    run(source, settings, act)


@pytest.mark.parametrize(
    ("key", "place", "name"),
    [
        ("e", app_module, "export"),
        ("s", TrafficApp, "_sort_by"),
        ("g", TrafficApp, "action_span"),
        ("b", TrafficApp, "action_bits"),
        ("T", TrafficApp, "action_next_theme"),
        ("space", TrafficApp, "action_freeze"),
        ("c", TrafficApp, "copy_to_clipboard"),
        ("slash", TrafficApp, "action_filter"),
        ("down", Grid, "action_move"),
        ("enter", TrafficApp, "push_screen"),
        ("right_square_bracket", TrafficApp, "action_open_tab"),
    ],
)
def test_a_key_that_fails_is_reported_and_the_next_one_works(
    source: FakeSource,
    settings: Path,
    error_log: Path,
    monkeypatch: pytest.MonkeyPatch,
    key: str,
    place: Any,
    name: str,
) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await open_tab(app, pilot, "flows")
        with monkeypatch.context() as patch:
            failing = Failing(getattr(place, name))
            patch.setattr(place, name, lambda *given, **named: failing(*given, **named))  # noqa: PLW0108 - bound
            await press(app, pilot, key)
            assert failing.left == 0
        await is_reported(app, pilot, error_log)
        await press(app, pilot, "slash")
        assert app.query_one("#filter", Input).display

    run(source, settings, act)


@pytest.mark.parametrize("event", ["on_input_changed", "on_input_submitted"])
def test_a_handler_that_fails_is_reported_and_keys_work(
    source: FakeSource, settings: Path, error_log: Path, event: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = Failing(getattr(TrafficApp, event))

    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await open_tab(app, pilot, "flows")
        with monkeypatch.context() as patch:
            patch.setattr(TrafficApp, event, lambda app, event: failing(app, event))  # noqa: PLW0108
            await press(app, pilot, "slash", "i", "p", "enter")
            assert failing.left == 0
        await is_reported(app, pilot, error_log)
        await press(app, pilot, "escape")
        assert len(remotes(app)) == 3

    run(source, settings, act)


def test_an_error_that_comes_again_is_written_once(
    source: FakeSource, settings: Path, error_log: Path
) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        source.reading = Failing(source.reading, 5)  # type: ignore[method-assign]
        for _ in range(5):
            await read_again(app, pilot)

    run(source, settings, act)
    assert error_log.read_text().count("Traceback") == 1
    assert error_log.stat().st_mode & 0o777 == 0o600


def test_where_no_log_can_be_written_it_is_reported_all_the_same(
    source: FakeSource, settings: Path, error_log: Path
) -> None:
    error_log.parent.mkdir(parents=True)
    error_log.symlink_to("/dev/null")

    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        source.reading = Failing(source.reading)  # type: ignore[method-assign]
        await read_again(app, pilot)
        (notice,) = app._notifications
        assert "IndexError" in notice.message
        assert "could not be written" in notice.message

    run(source, settings, act)


def test_a_reading_that_hangs_is_reported_and_does_not_prevent_quitting(
    source: FakeSource, settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs, real = threading.Event(), FakeSource.reading

    def hanging() -> SampleBuilder:
        hangs.wait(60)
        return real(source)

    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        source.reading = hanging  # type: ignore[method-assign]
        app.refresh_data(at_once=True)
        for _ in range(60):
            await pilot.pause(0.1)
            if "no answer for" in screen(app):
                break
        else:
            raise AssertionError(screen(app))

    monkeypatch.setattr(app_module, "_SLOW_S", 0.5)
    begun = time.monotonic()
    run(source, settings, act)
    assert time.monotonic() - begun < 30
    hangs.set()


def test_a_conversation_continues(source: FakeSource, error_log: Path) -> None:
    source.reading = Failing(source.reading, 3)  # type: ignore[method-assign]
    out, typed = io.StringIO(), io.StringIO("flows\nusers\nflows\n")
    Conversation(source, FakeFeed(), typed, out, wait=lambda _: None, now=Clock()).run()
    said = out.getvalue()
    assert said.count("internal error while answering") == 3
    assert "internal error while answering users (IndexError" in said
    assert "flows: 3 of 3" in said
    assert "\x1b" not in said
    assert "Traceback" in error_log.read_text()


def test_the_feed_of_events_continues(error_log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trafficmon.tui.readings.feed._AGAIN_S", 0.01)
    opened = []

    def odd(*_: object) -> Any:
        opened.append(1)
        raise IndexError(ODD)

    monkeypatch.setattr("trafficmon.tui.readings.feed.event_stream", odd)
    feed = LiveFeed(PinDirectory(Path("/nowhere")))
    feed.start()
    wait_until(lambda: len(opened) >= 3)
    feed.stop()
    assert "internal error while reading events (IndexError" in feed.note()
    assert "Traceback" in error_log.read_text()
