# SPDX-License-Identifier: MIT
"""The flows table: records as the contract has them, sorting, filters, times."""

from __future__ import annotations

import ipaddress
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.sample_builder import BOOT_S, JIFFIES_A_SECOND, NOW_JIFFIES, SampleBuilder
from trafficmon.filter.evaluate import matches
from trafficmon.filter.parser import parse
from trafficmon.model.flows import with_ids_joined
from trafficmon.tables.addresses import address_text
from trafficmon.tables.flows import flow_table, whole_jiffies
from trafficmon.tables.query import choose_rows
from trafficmon.tables.table import Table
from trafficmon.tables.times import time_text

CONTRACT = (
    "interface protocol local_addr local_port remote_addr remote_port rx_packets rx_bytes "
    "tx_packets tx_bytes tcp_flags first_seen last_seen uid user pid comm cgroup rtt_us remote_name"
)
HERE, THERE, THERE6 = "10.0.0.2", "192.0.2.7", "2001:db8::7"
UDP, TCP, ICMP = 17, 6, 1


@pytest.fixture
def fake() -> SampleBuilder:
    made = SampleBuilder()
    made.interface(0, "eth0")
    made.interface(3, "wlan0.5")
    return made


def shown(table: Table, expression: str) -> list[str]:
    """Remote addresses and ports of the rows that the expression leaves."""
    mask = matches(parse(expression), table.filter_columns())
    rows = [table.record(row) for row in choose_rows(table, mask, None, None)]
    return sorted(f"{row['remote_addr']} {row['remote_port']}" for row in rows)


def test_a_record_has_what_the_contract_says_and_null_for_what_is_not_known(
    fake: SampleBuilder,
) -> None:
    fake.flow(
        HERE,
        THERE,
        TCP,
        ports=(443, 50000),
        rx=(3, 300),
        tx=(2, 2**40),
        slot=3,
        tcp_flags=(1, 4, 7),
        first=NOW_JIFFIES - 2 * JIFFIES_A_SECOND,
        last=NOW_JIFFIES - 1,
    )
    table = flow_table(fake.sample)
    record = table.record(0)
    at = BOOT_S + NOW_JIFFIES // JIFFIES_A_SECOND
    assert record == {
        "interface": "wlan0.5",
        "protocol": "tcp",
        "local_addr": HERE,
        "local_port": 443,
        "remote_addr": THERE,
        "remote_port": 50000,
        "rx_packets": 3,
        "rx_bytes": 300,
        "tx_packets": 2,
        "tx_bytes": 2**40,
        "tcp_flags": "SAC",
        "first_seen": time_text(at - 2),
        "last_seen": time_text(at - 1 / JIFFIES_A_SECOND),
        **dict.fromkeys(("uid", "user", "pid", "comm", "cgroup", "rtt_us", "remote_name")),
    }
    assert list(record) == list(table.fields) == CONTRACT.split()
    assert json.loads(json.dumps(record)) == record, "no numpy types in it"


def test_port_0_is_a_port_and_no_port_is_null(fake: SampleBuilder) -> None:
    fake.flow(HERE, THERE, UDP, ports=(0, 0))
    fake.flow(HERE, THERE, UDP)
    fake.flow(HERE, THERE, ICMP)
    table = flow_table(fake.sample)
    found = [
        (table.record(row)["local_port"], table.record(row)["remote_port"]) for row in range(3)
    ]
    assert found == [(0, 0), (None, None), (None, None)]
    assert shown(table, "port 0") == [f"{THERE} 0"]
    assert shown(table, "not port 0") == [f"{THERE} None"] * 2


@pytest.mark.parametrize(
    ("bits", "text"), [((), ""), ((0,), "F"), (range(8), "FSRPAUEC"), ((1,), "S"), ((4, 1), "SA")]
)
def test_tcp_flags_are_letters_and_null_elsewhere(
    fake: SampleBuilder, bits: tuple[int, ...], text: str
) -> None:
    fake.flow(HERE, THERE, TCP, ports=(1, 2), tcp_flags=bits)
    fake.flow(HERE, THERE, UDP, ports=(1, 2))
    table = flow_table(fake.sample)
    assert [table.record(row)["tcp_flags"] for row in range(2)] == [text, None]


def test_a_slot_without_an_interface_has_no_name(fake: SampleBuilder) -> None:
    fake.flow(HERE, THERE, UDP, slot=5)
    assert flow_table(fake.sample).record(0)["interface"] is None


def test_filters_reach_the_columns(fake: SampleBuilder) -> None:
    fake.flow(HERE, THERE, TCP, ports=(443, 50000), rx=(1, 60))
    fake.flow("2001:db8::1", THERE6, UDP, ports=(53, 40000), tx=(1, 60), slot=3)
    table = flow_table(fake.sample)
    four, six = [f"{THERE} 50000"], [f"{THERE6} 40000"]
    assert shown(table, "proto tcp") == shown(table, "dir in") == shown(table, "ip") == four
    assert shown(table, "host 2001:db8::7") == shown(table, "iface wlan0.5") == six
    assert shown(table, "port 443 or port 40000") == sorted(four + six)


def test_every_field_sorts_and_an_empty_table_too(fake: SampleBuilder) -> None:
    names = list(flow_table(fake.sample).sort_keys)
    for name in names:
        assert choose_rows(flow_table(fake.sample), None, name, 5) == []
    fake.flow("10.0.0.1", THERE, TCP, ports=(1, 9), rx=(1, 100), first=7, last=NOW_JIFFIES - 9)
    fake.flow("10.0.0.2", THERE6, UDP, ports=(2, 8), rx=(2, 90), tx=(5, 50), slot=3, first=8)
    fake.flow("10.0.0.3", "192.0.2.8", ICMP, tx=(3, 120), first=6, last=NOW_JIFFIES - 5)
    table = flow_table(fake.sample)
    expected = {
        "rx_packets": [1, 0, 2],
        "rx_bytes": [0, 1, 2],
        "tx_packets": [1, 2, 0],
        "tx_bytes": [2, 1, 0],
        "bytes": [1, 2, 0],
        "packets": [1, 2, 0],
        "first_seen": [1, 0, 2],
        "last_seen": [1, 2, 0],
        "local_port": [1, 0, 2],
        "remote_port": [0, 1, 2],
        "protocol": [2, 0, 1],
        "interface": [0, 2, 1],
        "local_addr": [0, 1, 2],
        "remote_addr": [1, 0, 2],  # by their bytes
    }
    assert {name: choose_rows(table, None, name, None) for name in names} == expected
    assert choose_rows(table, None, None, 2) == [1, 2], "by bytes, if nothing else is requested"


def test_identities_stay_and_differ(fake: SampleBuilder) -> None:
    for number in range(50):
        fake.flow(HERE, THERE, TCP, ports=(443, number))
    before = flow_table(fake.sample).identity()
    assert len(set(before.tolist())) == 50
    fake.flow(HERE, THERE, UDP)
    assert flow_table(fake.sample).identity()[:50].tolist() == before.tolist()


@given(st.integers(2**32, 2**40), st.integers(0, 2**32 - 20_000))
def test_the_last_time_with_these_32_bits(now: int, age: int) -> None:
    low = np.array([(now - age) & 0xFFFFFFFF], np.uint32)
    assert whole_jiffies(low, now).tolist() == [now - age]


@given(st.integers(2**32, 2**40), st.integers(1, 9_000))
def test_a_little_after_now_is_now(now: int, ahead: int) -> None:
    low = np.array([(now + ahead) & 0xFFFFFFFF], np.uint32)
    assert whole_jiffies(low, now).tolist() == [now]


def test_times_are_rfc_3339() -> None:
    assert time_text(0) == "1970-01-01T00:00:00.000Z"
    assert time_text(1_764_000_000.1239) == "2025-11-24T16:00:00.123Z"


@given(st.binary(min_size=16, max_size=16))
def test_addresses_are_read_back_as_they_were(raw: bytes) -> None:
    assert ipaddress.ip_address(address_text(raw, ipv6=True)).packed == raw
    assert ipaddress.ip_address(address_text(raw, ipv6=False)).packed == raw[:4]


def test_addresses_are_short() -> None:
    assert address_text(ipaddress.ip_address("2001:db8::1").packed, ipv6=True) == "2001:db8::1"
    assert address_text(bytes(16), ipv6=True) == "::"
    assert address_text(b"\x7f\0\0\1".ljust(16, b"\0"), ipv6=False) == "127.0.0.1"


def _left_out_at_times(jiffies: int) -> SampleBuilder:
    """A flow in the sums and out of them, the latter at ``jiffies``, and one out of them alone."""
    fake = SampleBuilder()
    fake.interface(1, "br0", covered=True)

    def flow(
        covered: bool, rx: tuple[int, int], flags: tuple[int, ...], at: int, owner: int
    ) -> None:
        fake.flow(
            HERE,
            THERE,
            ports=(443, 50000),
            rx=rx,
            slot=1,
            covered=covered,
            tcp_flags=flags,
            first=at - 40,
            last=at,
            owner_id=owner,
        )

    flow(False, (3, 300), (1,), jiffies - 60, 7)
    flow(True, (4, 2**40), (0, 4), jiffies, 0)
    fake.flow(HERE, THERE, ICMP, rx=(1, 98), slot=1)
    return fake


def test_a_flow_of_an_interface_that_sums_left_out_for_a_time_is_one_row() -> None:
    flows = flow_table(_left_out_at_times(NOW_JIFFIES).sample)
    assert flows.length == 2
    flow = flows.record(choose_rows(flows, None, "bytes", 1)[0])
    assert (flow["rx_packets"], flow["rx_bytes"]) == (7, 300 + 2**40)
    assert (flow["interface"], flow["tcp_flags"]) == ("br0", "FSA")


@pytest.mark.parametrize("jiffies", [NOW_JIFFIES, 2**32 + 50])
def test_of_both_the_first_and_the_last_time_and_the_owner_that_is_known(jiffies: int) -> None:
    """Also where the lower half of jiffies has begun anew between them."""
    flows = _left_out_at_times(jiffies).sample.flows
    joined = with_ids_joined(flows)
    (row,) = np.flatnonzero(joined.keys["protocol"] == TCP)
    value = joined.values[row]
    assert (value["first_seen_jiffies"], value["owner_id"]) == (jiffies - 100, 7)
    assert value["last_seen_jiffies_low"] == jiffies & 0xFFFFFFFF
