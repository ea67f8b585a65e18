# SPDX-License-Identifier: MIT
"""Connections: each field is its own number, from sockets in which no two numbers are alike."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pytest

from tests.unit.sample_builder import BOOT_S, NOW_NS, SampleBuilder, packed
from trafficmon.tables.connections import connection_table
from trafficmon.tables.query import choose_rows

TCP, UDP, INET, INET6 = 6, 17, 2, 10
COUNTS = ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes")
# include/net/tcp_states.h
STATES = [
    "established",
    "syn-sent",
    "syn-recv",
    "fin-wait-1",
    "fin-wait-2",
    "time-wait",
    "close",
    "close-wait",
    "last-ack",
    "listen",
    "closing",
    "syn-recv",
]


def socket(fake: SampleBuilder, ports: tuple[int, int] = (443, 50000), **more: Any) -> Any:
    """A TCP socket with numbers of its own in all that it counts."""
    row: Any = fake.socket(1, protocol=TCP, family=INET, tcp_state=1, **more)
    row["local_addr"] = np.frombuffer(packed("10.0.0.1"), np.uint8)
    row["remote_addr"] = np.frombuffer(packed("10.0.0.2"), np.uint8) if ports[1] else 0
    row["local_port_be"], row["remote_port_be"] = np.array(ports, ">u2").view("=u2")
    row["srtt_us"], row["min_rtt_us"], row["retransmits"] = 900, 800, 7
    row["tcp_read_bytes"], row["tcp_written_bytes"] = 1111, 2222
    for place, name in enumerate(COUNTS):
        row["socket"]["own"][name] = 10 + place
        row["socket"]["listening"][name] = 20 + place
    row["socket"]["own"]["app_rx_bytes"], row["socket"]["own"]["app_tx_bytes"] = 3333, 4444
    return row


def only_row(fake: SampleBuilder) -> dict[str, Any]:
    table = connection_table(fake.sample)
    assert table.length == 1
    return table.record(0)


def counts(row: dict[str, Any]) -> tuple[int | None, ...]:
    return tuple(row[name] for name in (*COUNTS, "app_rx_bytes", "app_tx_bytes"))


def test_an_established_connection() -> None:
    fake = SampleBuilder()
    socket(fake)
    row = only_row(fake)
    assert counts(row) == (10, 11, 12, 13, 1111, 2222)
    assert (row["rtt_us"], row["min_rtt_us"], row["retransmits"]) == (900, 800, 7)
    assert (row["local_addr"], row["local_port"]) == ("10.0.0.1", 443)
    assert (row["remote_addr"], row["remote_port"]) == ("10.0.0.2", 50000)
    assert (row["opened_at"], row["duration_s"]) == (None, None)


def test_a_listener_has_its_own_handshakes_and_no_round_trip() -> None:
    fake = SampleBuilder()
    socket(fake, (443, 0))["tcp_state"] = 10
    row = only_row(fake)
    assert counts(row)[:4] == (20, 21, 22, 23)
    assert (row["rtt_us"], row["min_rtt_us"], row["retransmits"]) == (None, None, None)
    assert (row["state"], row["remote_addr"], row["remote_port"]) == ("listen", None, None)


def test_a_datagram_sockets_bytes_are_those_of_its_calls() -> None:
    fake = SampleBuilder()
    socket(fake)["protocol"] = UDP
    row = only_row(fake)
    assert counts(row) == (10, 11, 12, 13, 3333, 4444)
    assert (row["protocol"], row["state"], row["rtt_us"]) == ("udp", None, None)


def test_without_the_app_layer_only_tcp_knows_its_bytes() -> None:
    fake = SampleBuilder()
    fake.hooks = {"sockets", "cgroup_rx", "cgroup_tx"}
    one = socket(fake)
    assert counts(only_row(fake))[4:] == (1111, 2222)
    one["protocol"] = UDP
    assert counts(only_row(fake))[4:] == (None, None)


@pytest.mark.parametrize(("number", "name"), list(enumerate(STATES, 1)))
def test_states_are_the_kernels(number: int, name: str) -> None:
    fake = SampleBuilder()
    socket(fake)["tcp_state"] = number
    assert only_row(fake)["state"] == name


@pytest.mark.parametrize(("role", "name"), [(0, None), (1, "active"), (2, "passive")])
def test_roles(role: int, name: str | None) -> None:
    fake = SampleBuilder()
    socket(fake)["socket"]["role"] = role
    assert only_row(fake)["role"] == name


@pytest.mark.parametrize("minimum", [0, 0xFFFFFFFF])
def test_a_round_trip_that_was_not_measured_is_null(minimum: int) -> None:
    fake = SampleBuilder()
    one = socket(fake)
    one["min_rtt_us"], one["srtt_us"] = minimum, 0
    row = only_row(fake)
    assert (row["min_rtt_us"], row["rtt_us"]) == (None, None)


def test_when_it_was_opened_and_how_long_ago() -> None:
    fake = SampleBuilder()
    opened_ns = NOW_NS - 5_000_000_000
    socket(fake)["socket"]["opened_ns"] = opened_ns
    row = only_row(fake)
    reported = datetime.fromisoformat(row["opened_at"]).timestamp()
    assert reported == BOOT_S + NOW_NS / 1e9 - 5
    assert row["duration_s"] == 5


def test_it_is_sorted_by_all_its_bytes() -> None:
    fake = SampleBuilder()
    for port, (rx, tx) in ((1, (5, 1)), (2, (0, 7)), (3, (5, 5))):
        own = socket(fake, (443, port))["socket"]["own"]
        own["rx_bytes"], own["tx_bytes"] = rx, tx
    table = connection_table(fake.sample)
    order = choose_rows(table, None, None, None)
    assert [table.record(row)["remote_port"] for row in order] == [3, 2, 1]
