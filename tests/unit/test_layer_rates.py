# SPDX-License-Identifier: MIT
"""The packet's way through the layers: rates between two readings, and what is lost in between."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.sample_builder import BuiltSource, SampleBuilder
from trafficmon.layout import Hook, Layer
from trafficmon.model.sample import Sample
from trafficmon.tables.catalogue import table_maker
from trafficmon.tables.table import Table
from trafficmon.tui.readings import layers
from trafficmon.tui.readings.layers import LayersPicture, read_layers
from trafficmon.tui.readings.session import Session


class Machine:
    """A session over a reading that changes, and a clock."""

    def __init__(self) -> None:
        self.fake, self.now = SampleBuilder(), 50.0
        self.fake.interface(0, "eth0")
        self.session = Session(BuiltSource(lambda: self.fake), lambda: self.now)

    def read(self, wire: int, sockets: int, drops: int) -> LayersPicture:
        """``wire``, ``sockets``: packets in, of 100 bytes; half as many out."""
        fake = self.fake
        fake.hook(Hook.TC_RX, [0, wire], wire * 100)
        fake.hook(Hook.TC_TX, [0, wire // 2], wire * 50)
        for layer, packets in ((Layer.CGROUP_RX, sockets), (Layer.CGROUP_TX, sockets // 2)):
            fake.layer_counters[layer]["packets"] = packets
            fake.layer_counters[layer]["bytes"] = packets * 80
        fake._drops.clear()
        fake.drop(0, 0, drops, drops * 60)
        return read_layers(self.session)


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_the_first_reading_has_no_rates(machine: Machine) -> None:
    way = machine.read(1000, 900, 5)
    assert [stage.name for stage in way.stages] == ["xdp", "tc", "cgroup", "app"]
    assert {rate for stage in way.stages for rate in stage.rates.values()} == {None}
    assert way.drop_rate is None
    assert way.drops is not None
    assert [drop["rate"] for drop in way.drops] == [None]


@pytest.mark.parametrize("seconds", [0.5, 1.0, 4.0])
def test_rates_are_by_the_time_that_passed(machine: Machine, seconds: float) -> None:
    machine.read(1000, 900, 5)
    machine.now += seconds
    way = machine.read(1400, 1200, 25)
    tc, cgroup = way.stages[1], way.stages[2]
    assert tc.rates == {
        "rx_packets": 400 / seconds,
        "rx_bytes": 40_000 / seconds,
        "tx_packets": 200 / seconds,
        "tx_bytes": 20_000 / seconds,
    }
    assert cgroup.rates["rx_packets"] == 300 / seconds
    assert cgroup.rates["tx_bytes"] == 12_000 / seconds
    assert way.drop_rate == 20 / seconds
    assert way.drops is not None
    assert way.drops[0]["rate"] == 20 / seconds


def test_how_many_packets_fewer_than_the_layer_below(machine: Machine) -> None:
    way = machine.read(1000, 900, 0)
    assert way.stages[2].less_packets == (100, 50)
    assert way.stages[0].less_packets == (None, None)


def test_counters_that_began_anew_are_no_negative_rate(machine: Machine) -> None:
    machine.read(1000, 900, 5)
    machine.now += 1
    way = machine.read(10, 9, 1)
    assert way.stages[1].rates["rx_packets"] == 0
    assert way.drop_rate == 0


def test_a_layer_that_was_not_there_before_has_no_rate_yet(machine: Machine) -> None:
    machine.fake.hooks.discard("cgroup_rx")
    machine.read(1000, 900, 5)
    machine.fake.hooks.add("cgroup_rx")
    machine.now += 1
    way = machine.read(1100, 990, 5)
    assert way.stages[1].rates["rx_packets"] == 100
    assert set(way.stages[2].rates.values()) == {None}


def test_a_reading_makes_each_table_once(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the layers looks for the owner of each flow."""
    made: list[str] = []

    def maker(name: str) -> Callable[[Sample], Table]:
        made.append(name)
        return table_maker(name)

    monkeypatch.setattr(layers, "table_maker", maker)
    machine.read(1000, 900, 5)
    assert sorted(made) == ["drops", "layers"]
