# SPDX-License-Identifier: MIT
"""Fields of a row in full: with units, without raw floats, exact where they were counted."""

from __future__ import annotations

import re

import pytest

from tests.tui.fake import FakeSource, conn_event, drop_event
from trafficmon.render.fields import field_text
from trafficmon.tables.catalogue import TABLES, table_maker
from trafficmon.tables.rates import RateKeeper


@pytest.mark.parametrize(
    ("name", "value", "reported"),
    [
        ("rx_rate", 523.423842341, "523 B/s"),
        ("rate", 0.0, "0 B/s"),
        ("rtt_us", 12_345, "12.3 ms"),
        ("duration_s", 1.5, "1.5 s"),
        ("rx_bytes", 1_234_567, "1,234,567 (1.2 MB)"),
        ("rx_bytes", 999, "999 B"),
        ("rx_packets", 1_234_567, "1,234,567"),
        ("local_port", 50_000, "50000"),
        ("pid", 12_345, "12345"),
        ("cgroup_id", 900_001, "900001"),
        ("latency_us", {"p50": 1500, "p99": None}, "p50: 1.5 ms, p99: -"),
        ("packet_size", {"64": 10_000, "+Inf": 0}, "64: 10,000, +Inf: 0"),
        ("rx_rate", None, "-"),
        ("rx_rate", float("nan"), "-"),
        ("coverage_percent", 99.987, "99.9%"),
        ("something", 1 / 3, "0.33"),
        ("comm", "a\x1b", "a\\x1b"),
        ("pid", True, "true"),
    ],
)
def test_a_field(name: str, value: object, reported: str) -> None:
    assert field_text(name, value) == reported


def test_bits() -> None:
    assert field_text("rx_rate", 1000.0, bits=True) == "8.0 kbit/s"


def test_no_field_of_any_table_is_a_raw_number() -> None:
    source = FakeSource()
    records = [conn_event().record(), drop_event().record()]
    for name in TABLES:
        keeper, times = RateKeeper(), iter((1.0, 4.0))
        keeper._now = times.__next__
        for _ in range(2):
            source.readings += 1
            table = keeper.add_rates(table_maker(name)(source.reading().sample))
        records += [table.record(row) for row in range(table.length)]
    for record in records:
        for name, value in record.items():
            reported = field_text(name, value)
            if not isinstance(value, str):
                assert not re.search(r"\d\.\d{3}|None|nan|e[+-]\d", reported), (
                    name,
                    value,
                    reported,
                )
