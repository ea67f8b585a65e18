# SPDX-License-Identifier: MIT
"""A recording read for the dashboard: rates of a place, and graphs of what was before it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tui.recordings import BEGIN_S, damage, record, regular, sample_at, total
from trafficmon.model.sample import Sample
from trafficmon.sources.recorded import RecordedSource
from trafficmon.tables.catalogue import TableQuery, parts_of
from trafficmon.tui.readings.layers import read_layers
from trafficmon.tui.readings.overview import read_overview
from trafficmon.tui.readings.recorded import DamagedSampleError, RecordedSession
from trafficmon.tui.readings.rows import read_rows

FLOWS = TableQuery("flows", 10, by_rate=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return regular(tmp_path / "file.rec")


@pytest.fixture
def session(path: Path) -> Iterator[RecordedSession]:
    made = RecordedSession(RecordedSource(path), path)
    yield made
    made.close()


def rate(session: RecordedSession, place: int) -> float | None:
    rows = session.answer(place, 0, lambda one: read_rows(one, FLOWS))
    rates: list[float | None] = [
        record["rx_rate"] for record in rows.records if record["remote_addr"] == "10.0.0.2"
    ]
    return rates[0]


@pytest.mark.parametrize("places", [[50, 51, 52], [150, 7, 149], [7, 7, 179, 1]])
def test_rates_are_of_the_sample_before_in_the_recording(
    session: RecordedSession, places: list[int]
) -> None:
    """Second n adds n thousand bytes, so a rate says which two samples it is of."""
    for place in places:
        assert rate(session, place) == pytest.approx(1000 * place)


def test_at_the_first_sample_rates_are_unknown(session: RecordedSession) -> None:
    rate(session, 100)
    assert rate(session, 0) is None
    overview = session.answer(0, 0, read_overview)
    assert overview.interfaces["eth0"]["rx_rate"] is None
    assert overview.graphs["eth0"].rx.latest is None


@pytest.mark.parametrize("places", [[50, 51], [100, 50]])
def test_layers_and_drops_have_the_rates_of_the_place(
    session: RecordedSession, places: list[int]
) -> None:
    for place in places:
        seen = session.answer(place, 0, read_layers)
        assert seen.stages[0].rates["rx_packets"] == pytest.approx(100 * place)
        assert seen.drop_rate == pytest.approx(3 * place)
    assert session.answer(0, 0, read_layers).drop_rate is None


def test_graphs_show_what_was_before_and_never_what_comes(session: RecordedSession) -> None:
    session.outline.want([*range(90, 100), 120, 150])
    while not session.outline.is_complete:
        session.outline.read_next()
    graph = session.answer(100, 90, read_overview).graphs["eth0"]
    assert graph.rx.latest == pytest.approx(100 * 100 * 100)
    assert graph.rx.covered_s(60) == pytest.approx(10)
    assert graph.rx.most(60) == graph.rx.latest


def test_rates_between_places_far_apart_are_exact(session: RecordedSession) -> None:
    session.outline.want([40, 60])
    session.outline.read_next()
    session.outline.read_next()
    rx_and_tx = (100 * 100 + 50 * 100) * (total(60) - total(40))
    assert session.outline.rate(40, 60) == pytest.approx(rx_and_tx / 20)
    assert session.outline.rate(40, 61) is None


def test_counters_that_began_anew_have_no_rate_and_are_marked(tmp_path: Path) -> None:
    turns = [(second, 10 + second % 10, 7 + second // 10) for second in range(20)]
    path = record(tmp_path / "two.rec", (sample_at(s, t, attached_at_ns=a) for s, t, a in turns))
    session = RecordedSession(RecordedSource(path), path)
    assert rate(session, 10) is None
    assert rate(session, 11) == pytest.approx(1000)
    assert session.outline.is_restart(9, 10)
    assert not session.outline.is_restart(10, 11)
    assert session.restarts == 0
    session.close()


def test_a_damaged_sample_has_its_time_and_the_others_are_shown(path: Path) -> None:
    damage(path, (BEGIN_S + 30) * 10**9)
    session = RecordedSession(RecordedSource(path), path)
    with pytest.raises(DamagedSampleError, match=r"cannot read the sample of \d\d:\d\d:\d\d: the"):
        rate(session, 30)
    assert rate(session, 29) == pytest.approx(29_000)
    assert rate(session, 31) is None
    assert rate(session, 32) == pytest.approx(32_000)
    session.close()


def test_a_sample_that_is_shown_again_is_not_decoded_again(
    session: RecordedSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    decode = session.source.recording.sample

    def counted(place: int) -> Sample:
        read.append(place)
        return decode(place)

    monkeypatch.setattr(session.source.recording, "sample", counted)
    for _ in range(3):
        rate(session, 70)
    assert read == [69, 70]
    rate(session, 71)
    assert read == [69, 70, 71]


def test_a_recording_that_grows_has_more_samples(path: Path) -> None:
    longer = regular(path.with_name("longer.rec"), 200)
    source = RecordedSource(path)
    with path.open("ab") as file:
        file.write(longer.read_bytes()[path.stat().st_size :])
    assert len(source.recording) == 180
    source.recording.refresh()
    assert len(source.recording) == 200
    source.place = 199
    assert source.read(parts_of("flows")).clock.taken_at_ns == (BEGIN_S + 199) * 10**9
    source.close()
