# SPDX-License-Identifier: MIT
"""Layers: the totals of each, and what the one above saw more or less. No two numbers alike."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.sample_builder import SampleBuilder
from trafficmon.layout import AttachMode, Hook, Layer
from trafficmon.tables.layers import layer_table

COUNTS = ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes")


@pytest.fixture
def fake() -> SampleBuilder:
    """eth0 with native XDP, bond0 on top of it (not in the sums); an owner with app bytes."""
    made = SampleBuilder()
    made.interface(0, "eth0", xdp_mode=AttachMode.XDP_GENERIC)
    made.interface(1, "bond0", covered=True)
    made.hook(Hook.XDP_GENERIC, [0, 7], 700)
    made.hook(Hook.TC_RX, [3, 6], 1000)
    made.hook(Hook.TC_TX, [0, 0, 20], 5000)
    made.hook(Hook.TC_RX, [100], 100_000, slot=1)
    rx, tx = made.layer_counters[Layer.CGROUP_RX], made.layer_counters[Layer.CGROUP_TX]
    rx["packets"], rx["bytes"], tx["packets"], tx["bytes"] = 8, 880, 15, 4000
    made.owner(1, pid=1, app=(600, 3000))
    made.owner(2, pid=2, app=(60, 300))
    return made


def rows(fake: SampleBuilder) -> dict[str, dict[str, Any]]:
    table = layer_table(fake.sample)
    return {table.record(row)["layer"]: table.record(row) for row in range(table.length)}


def counts(row: dict[str, Any], suffix: str = "") -> tuple[int | None, ...]:
    return tuple(row[f"{name}{suffix}"] for name in COUNTS)


def test_totals(fake: SampleBuilder) -> None:
    reported = rows(fake)
    assert list(reported) == ["xdp", "tc", "cgroup", "app"]
    assert counts(reported["xdp"]) == (7, 700, None, None)
    assert counts(reported["tc"]) == (9, 1000, 20, 5000)
    assert counts(reported["cgroup"]) == (8, 880, 15, 4000)
    assert counts(reported["app"]) == (None, 660, None, 3300)


def test_differences_are_to_the_layer_below(fake: SampleBuilder) -> None:
    reported = rows(fake)
    assert counts(reported["xdp"], "_difference") == (None, None, None, None)
    assert counts(reported["tc"], "_difference") == (2, 300, None, None)
    assert counts(reported["cgroup"], "_difference") == (-1, -120, -5, -1000)
    assert counts(reported["app"], "_difference") == (None, -220, None, -700)


def test_layers_that_are_not_there_are_null(fake: SampleBuilder) -> None:
    fake.hooks.clear()
    reported = rows(fake)
    for layer in ("cgroup", "app"):
        assert counts(reported[layer]) == (None, None, None, None)
        assert counts(reported[layer], "_difference") == (None, None, None, None)


def test_a_layer_that_has_seen_nothing_yet_is_zero_and_not_null() -> None:
    quiet = SampleBuilder()
    quiet.interface(0, "eth0")
    reported = rows(quiet)
    assert counts(reported["tc"]) == (0, 0, 0, 0)
    assert counts(reported["xdp"]) == (None, None, None, None)
