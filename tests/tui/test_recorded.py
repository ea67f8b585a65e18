# SPDX-License-Identifier: MIT
"""The dashboard over a recording: every tab at any time, moved by keys, clicks, and playing."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.tui.drive import (
    NARROW,
    drawn,
    open_tab,
    press,
    quiet,
    remotes,
    screen,
    settled,
    table,
    type_filter,
)
from tests.tui.recordings import BEGIN_S, Hand, damage, record, regular, run_recorded, sample_at
from tests.tui.test_snapshots import check, known
from trafficmon.sources.recorded import opened_at
from trafficmon.tui.app import TABS, TrafficApp
from trafficmon.tui.panes.detail import DetailScreen
from trafficmon.tui.panes.timeline import TimeField
from trafficmon.tui.recorded import RecordedApp
from trafficmon.tui.recorded_plaintext import RecordedConversation

MEDIUM = (120, 40)
SIZES = {"narrow": NARROW, "medium": MEDIUM}
KEYS = {
    "comma": -1,
    "full_stop": 1,
    "less_than_sign": -60,
    "greater_than_sign": 60,
}


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times on the screen are this machine's."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return regular(tmp_path / "file.rec")


def place(app: TrafficApp) -> int:
    assert isinstance(app, RecordedApp)
    return app._past.place


def rx_rate(app: TrafficApp) -> float | None:
    shown = table(app, "flows").shown
    assert shown is not None
    rates: list[float | None] = [
        r["rx_rate"] for r in shown.records if r["remote_addr"] == "10.0.0.2"
    ]
    return rates[0]


def clock(second: int) -> str:
    return time.strftime("%H:%M:%S", time.gmtime(BEGIN_S + second))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("tab", ["overview", "flows", "layers", "events"])
def test_a_tab_is_of_the_place(path: Path, settings: Path, size: str, tab: str) -> None:
    seen = []

    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await open_tab(app, pilot, tab)
        await press(app, pilot, "less_than_sign")
        seen.append(await settled(app, pilot, known(f"recorded-{tab}", size)))

    run_recorded(path, settings, act, SIZES[size], at="5s")
    check(f"recorded-{tab}", size, seen[0])


def test_every_tab_has_something_to_say(path: Path, settings: Path) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        for tab in TABS:
            await open_tab(app, pilot, tab)
            says = {"overview": "eth0", "layers": "the network", "events": "holds no events"}
            expected = says.get(tab, " by " if tab != "dns" else "no DNS messages")
            assert expected in await drawn(app, pilot, expected), tab

    run_recorded(path, settings, act, at="60s")


@pytest.mark.parametrize("begin", [1, 90, 178])
def test_keys_move_and_stop_at_both_ends(path: Path, settings: Path, begin: int) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await open_tab(app, pilot, "flows")
        expected = begin
        for key in (*KEYS, "comma", "less_than_sign", "greater_than_sign", "greater_than_sign"):
            await press(app, pilot, key)
            expected = min(max(0, expected + KEYS[key]), 179)
            assert place(app) == expected
            assert clock(expected) in await drawn(app, pilot, clock(expected))
            assert rx_rate(app) == (1000 * expected if expected else None)

    run_recorded(path, settings, act, at=f"{179 - begin}s")


def test_to_the_first_and_the_last_sample(path: Path, settings: Path) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await open_tab(app, pilot, "flows")
        for key, expected in (("left_curly_bracket", 0), ("right_curly_bracket", 179)):
            await press(app, pilot, key)
            assert place(app) == expected
        assert "the end, 180/180" in await drawn(app, pilot, "the end, 180/180")

    run_recorded(path, settings, act)


def test_the_last_sample_of_a_recording_that_grows(path: Path, settings: Path) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        regular(path, 200)  # what was in it stays where it was
        await press(app, pilot, "right_curly_bracket")
        assert place(app) == 199
        assert "200/200" in await drawn(app, pilot, "200/200")

    run_recorded(path, settings, act)


@pytest.mark.parametrize(
    ("text", "expected"), [("1m", 119), (clock(30), 30), (clock(30)[:5], 0), ("1h", 0), ("0s", 179)]
)
def test_a_time_that_is_typed(path: Path, settings: Path, text: str, expected: int) -> None:
    if text == clock(30)[:5]:  # a whole minute, which the recording begins or does not reach
        expected = max(0, 30 - int(clock(30)[6:]))

    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await press(app, pilot, "colon")
        app.query_one("#time", TimeField).value = text
        await press(app, pilot, "enter")
        assert place(app) == expected
        assert not app.query_one("#time").display

    run_recorded(path, settings, act)


@pytest.mark.parametrize("text", ["", "noon", "25:61", "[red]", "1y"])
def test_an_invalid_time_is_said_in_the_prompt(path: Path, settings: Path, text: str) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await press(app, pilot, "colon")
        app.query_one("#time", TimeField).value = text
        await press(app, pilot, "enter")
        assert "invalid value" in await drawn(app, pilot, "invalid value")
        assert place(app) == 179
        await press(app, pilot, "escape")
        assert not app.query_one("#time").display
        await press(app, pilot, "comma")
        assert place(app) == 178

    run_recorded(path, settings, act)


def test_a_filter_is_kept_while_moving(path: Path, settings: Path) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await open_tab(app, pilot, "flows")
        await type_filter(app, pilot, "host 10.0.0.2")
        for key in ("comma", "less_than_sign", "left_curly_bracket", "right_curly_bracket"):
            await press(app, pilot, key)
            assert remotes(app) == ["10.0.0.2"]
        assert "filter: host 10.0.0.2" in screen(app)

    run_recorded(path, settings, act)


def test_a_click_on_the_time_line(path: Path, settings: Path) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        for column, expected in ((0, 0), (MEDIUM[0] - 1, 179), (60, 90)):
            await pilot.click("#timeline", offset=(column, 0))
            await quiet(app, pilot)
            assert abs(place(app) - expected) <= 1

    run_recorded(path, settings, act, MEDIUM)


def test_it_plays_and_pauses(path: Path, settings: Path) -> None:
    hand = Hand()

    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await open_tab(app, pilot, "flows")
        await press(app, pilot, "left_curly_bracket", "plus", "plus", "plus", "space")
        assert "▶ x10" in await drawn(app, pilot, "▶ x10")
        hand.now_s += 9.05
        await drawn(app, pilot, clock(90))
        await quiet(app, pilot)
        assert (place(app), rx_rate(app)) == (90, 90_000)
        await press(app, pilot, "space")
        hand.now_s += 1000
        await pilot.pause(0.5)
        assert place(app) == 90
        assert "‖ x10" in screen(app)

    run_recorded(path, settings, act, now=hand)


def test_it_stops_at_the_end(path: Path, settings: Path) -> None:
    hand = Hand()

    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await press(app, pilot, "comma", "space")
        hand.now_s += 1000
        assert "‖ x1  " in await drawn(app, pilot, ", the end, 180/180")
        assert place(app) == 179

    run_recorded(path, settings, act, now=hand)


def test_a_damaged_sample_is_said_and_others_are_shown(path: Path, settings: Path) -> None:
    damage(path, (BEGIN_S + 150) * 10**9)

    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await open_tab(app, pilot, "flows")
        await press(app, pilot, "comma")
        says = f"cannot read the sample of {clock(150)}"
        assert says in await drawn(app, pilot, says)
        assert "damaged" in screen(app)
        await press(app, pilot, "comma")
        assert "10.0.0.2" in await drawn(app, pilot, "10.0.0.2")
        assert says not in screen(app)
        assert rx_rate(app) == 149_000

    run_recorded(path, settings, act, at="28s")


@pytest.mark.parametrize("size", SIZES)
def test_gaps_and_restarts_are_marked(tmp_path: Path, settings: Path, size: str) -> None:
    seconds = [*range(20), *range(50, 60)]
    samples = (sample_at(s, s, attached_at_ns=7 if s < 10 else 8) for s in seconds)
    path = record(tmp_path / "file.rec", samples)
    seen = []

    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await open_tab(app, pilot, "ports")
        seen.append(await settled(app, pilot, known("recorded-marks", size)))

    run_recorded(path, settings, act, SIZES[size])
    check("recorded-marks", size, seen[0])


def test_a_row_in_full_follows_the_place(path: Path, settings: Path) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await open_tab(app, pilot, "flows")
        await press(app, pilot, "enter")
        assert "Flow" in await drawn(app, pilot, "Flow")
        assert "a recording holds no events" in screen(app)
        for key, expected in (
            ("comma", 178),
            ("less_than_sign", 118),
            ("right_curly_bracket", 179),
        ):
            await press(app, pilot, key)
            assert place(app) == expected
            screen_ = app.screen
            assert isinstance(screen_, DetailScreen)
            assert screen_._detail.record["rx_rate"] == 1000 * expected
            assert screen_._detail.graph.rx.latest == 1000 * expected
            assert screen_._detail.graph.rx.covered_s(60) > 50

    run_recorded(path, settings, act, MEDIUM)


def test_what_is_exported_is_of_the_place(
    path: Path, settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    monkeypatch.chdir(folder)

    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await open_tab(app, pilot, "flows")
        await press(app, pilot, "less_than_sign", "e")

    run_recorded(path, settings, act)
    (written,) = folder.glob("*.json")
    records = json.loads(written.read_text())
    assert records[0]["rx_rate"] == 119_000


def talk(path: Path, *lines: str, at: str | None = None) -> str:
    out = io.StringIO()
    typed = io.StringIO("".join(f"{line}\n" for line in lines))
    conversation = RecordedConversation(opened_at(path, at), path, typed, out)
    conversation.run()
    conversation.close()
    return out.getvalue()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("back", 178),
        ("back 10", 169),
        ("back 1m", 119),
        ("next", 179),
        ("first", 0),
        ("at 1m", 119),
        (f"at {clock(30)}", 30),
    ],
)
def test_a_conversation_moves_in_time(path: Path, line: str, expected: int) -> None:
    said = talk(path, "flows", line)
    answer = said.rpartition("> ")[0].rpartition("> ")[2]
    assert answer.startswith(f"{clock(expected)}, ")
    assert f"{expected + 1:,}/180" in answer


@pytest.mark.parametrize("line", ["at noon", "back many", "next 1y"])
def test_a_conversation_says_what_is_no_time(path: Path, line: str) -> None:
    said = talk(path, line, "events")
    assert "invalid value" in said or "takes a number of samples" in said
    assert "a recording holds no events" in said
