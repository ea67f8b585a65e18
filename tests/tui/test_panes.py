# SPDX-License-Identifier: MIT
"""What single panes do: the tree, the way, events, and a detail that is followed."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.filter import Monochrome
from textual.pilot import Pilot

from tests.tui.drive import (
    drawn,
    open_tab,
    press,
    read_again,
    run,
    screen,
    settled,
    table,
    type_filter,
)
from tests.tui.fake import FakeFeed, FakeSource, conn_event
from trafficmon.errors import NotAttachedError
from trafficmon.tui.app import TABS, TrafficApp
from trafficmon.tui.panes.detail import DetailScreen


def labels(app: TrafficApp) -> list[str]:
    shown = table(app, "cgroups").shown
    assert shown is not None
    assert shown.labels is not None
    return shown.labels


def test_a_cgroup_has_all_below_it(source: FakeSource, settings: Path) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await open_tab(app, pilot, "cgroups")
        shown = table(app, "cgroups").shown
        assert shown is not None
        by_path = dict(zip(shown.keys, shown.records, strict=True))
        leaves = [path for path in by_path if path.count("/") == 2]
        assert len(leaves) == 3
        for name in ("rx_bytes", "tx_packets", "connections"):
            assert by_path["/"][name] == sum(by_path[leaf][name] for leaf in leaves)
        assert labels(app)[0] == "/"
        assert any(label.endswith("└─ nginx.service") for label in labels(app)) or any(
            label.endswith("├─ nginx.service") for label in labels(app)
        )

    run(source, settings, act)


def test_a_cgroup_is_closed_and_opened(source: FakeSource, settings: Path) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await open_tab(app, pilot, "cgroups")
        whole = labels(app)
        await press(app, pilot, "left")
        assert labels(app) == ["▸ /"]
        await press(app, pilot, "right")
        assert labels(app) == whole

    run(source, settings, act)


def test_events_begin_when_they_are_looked_at(source: FakeSource, settings: Path) -> None:
    feed, started = FakeFeed(), []

    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        started.append(feed.is_started)
        await open_tab(app, pilot, "events")
        started.append(feed.is_started)
        feed.events.insert(0, conn_event("later"))
        await read_again(app, pilot)
        assert "later" in await drawn(app, pilot, "later")

    run(source, settings, act, feed=feed)
    assert started == [False, True]
    assert feed.is_stopped


def test_events_are_filtered(source: FakeSource, settings: Path) -> None:
    feed = FakeFeed()
    feed.events.append(conn_event("sshd"))

    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await open_tab(app, pilot, "events")
        await type_filter(app, pilot, "comm sshd and port 443 and proto tcp and host 10.0.0.2")
        assert "sshd" in await drawn(app, pilot, "1 newest of 1")
        assert "NO_SOCKET" not in screen(app)

    run(source, settings, act, feed=feed)


def test_why_there_are_no_events_is_said(source: FakeSource, settings: Path) -> None:
    feed = FakeFeed()
    feed.events, feed.said = [], "reading events takes root"

    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await open_tab(app, pilot, "events")
        assert feed.said in await drawn(app, pilot, feed.said)

    run(source, settings, act, feed=feed)


def test_a_detail_follows_its_row(source: FakeSource, settings: Path) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await open_tab(app, pilot, "processes")
        await type_filter(app, pilot, "comm nginx")
        await press(app, pilot, "enter")
        screen_ = app.screen
        assert isinstance(screen_, DetailScreen)
        detail = screen_._detail
        before = detail.record["rx_bytes"]
        await read_again(app, pilot)
        assert detail.record["rx_bytes"] == before + 2000  # an owner's and its socket's
        assert detail.graph.rx.latest
        assert [one["pid"] for one in detail.related["connections"]] == [99_999_998]
        assert {one["comm"] for one in detail.related["flows"]} == {"nginx"}

    run(source, settings, act)


def test_a_flow_is_shown_through_all_layers(source: FakeSource, settings: Path) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await open_tab(app, pilot, "flows")
        await type_filter(app, pilot, "host 10.0.0.2")
        await press(app, pilot, "enter")
        assert isinstance(app.screen, DetailScreen)
        detail = app.screen._detail
        (connection,) = detail.related["connections"]
        assert detail.layers[1] == (
            "socket (cgroup)",
            connection["rx_bytes"],
            connection["tx_bytes"],
        )
        assert detail.round_trips_us.latest == float(connection["rtt_us"])
        assert "closed by the other end" in await drawn(app, pilot, "closed by the other end")

    run(source, settings, act)


@pytest.mark.parametrize("tab", [tab for tab in TABS if tab not in ("overview", "layers", "dns")])
def test_every_tables_rows_can_be_opened(source: FakeSource, settings: Path, tab: str) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await open_tab(app, pilot, tab)
        await press(app, pilot, "enter")
        assert isinstance(app.screen, DetailScreen)
        await read_again(app, pilot)
        assert not app._notifications
        assert "ALL FIELDS" in "".join(str(one) for one in [app.screen._rest.content])
        related = app.screen._detail.related
        assert tab in ("events", "drops") or all(related.values()), related

    run(source, settings, act)


def test_a_row_that_is_gone_is_shown_as_it_was(source: FakeSource, settings: Path) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await open_tab(app, pilot, "flows")
        await press(app, pilot, "enter")
        assert isinstance(app.screen, DetailScreen)
        app.screen._detail.key = "12345"
        await read_again(app, pilot)
        assert "gone" in await drawn(app, pilot, "gone")

    run(source, settings, act)


def test_detached_while_a_detail_is_open(source: FakeSource, settings: Path) -> None:
    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await open_tab(app, pilot, "flows")
        await press(app, pilot, "enter")
        source.error = NotAttachedError("it has gone")
        await read_again(app, pilot)
        assert "it has gone" in await drawn(app, pilot, "it has gone")
        source.error = None
        await press(app, pilot, "escape")
        await read_again(app, pilot)
        assert "10.0.0.2" in await drawn(app, pilot, "10.0.0.2")

    run(source, settings, act)


def test_without_colours_it_is_the_same_text(
    source: FakeSource, settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain: list[str] = []
    colours: set[str] = set()

    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        plain.append(await settled(app, pilot))
        assert any(isinstance(one, Monochrome) for one in app._filters)
        for line in app.screen._compositor.render_strips():
            for segment in line.apply_filter(app._filters[0], app.screen.styles.background):
                color = segment.style.color if segment.style else None
                if color is not None and color.triplet is not None:
                    colours.add("grey" if len(set(color.triplet)) == 1 else "coloured")

    monkeypatch.setenv("NO_COLOR", "1")
    run(source, settings, act)
    assert "eth0" in plain[0]
    assert colours == {"grey"}
