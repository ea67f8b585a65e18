# SPDX-License-Identifier: MIT
"""Protocols, ports, hosts: sums over interfaces, in which no packet is twice."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.unit.sample_builder import SampleBuilder
from trafficmon.filter.evaluate import matches
from trafficmon.filter.parser import parse
from trafficmon.layout import ServiceKind
from trafficmon.model.sample import Sample
from trafficmon.protocols import protocol_name
from trafficmon.tables.hosts import host_table
from trafficmon.tables.query import choose_rows
from trafficmon.tables.services import port_table, protocol_table
from trafficmon.tables.table import Record, Table

CONTRACT = {
    "protocols": "protocol number packets bytes",
    "ports": "protocol port packets bytes connections",
    "hosts": "remote_addr remote_name rx_packets rx_bytes tx_packets tx_bytes connections complete",
}
MAKERS: dict[str, Callable[[Sample], Table]] = {
    "protocols": protocol_table,
    "ports": port_table,
    "hosts": host_table,
}
PORT, PROTOCOL = ServiceKind.PORT, ServiceKind.PROTOCOL
UDP, TCP, ICMP, GRE = 17, 6, 1, 47
HERE, THERE, THERE6 = "10.0.0.2", "192.0.2.7", "2001:db8::7"


@pytest.fixture
def fake() -> SampleBuilder:
    """bond0 (slot 2) is covered: its packets also pass eth0 or eth1."""
    made = SampleBuilder()
    made.interface(0, "eth0")
    made.interface(1, "eth1")
    made.interface(2, "bond0", covered=True)
    return made


def rows(table: Table, expression: str | None = None) -> list[Record]:
    mask = matches(parse(expression), table.filter_columns()) if expression else None
    return [table.record(row) for row in choose_rows(table, mask, None, None)]


@pytest.mark.parametrize("name", list(MAKERS))
def test_records_have_what_the_contract_says(fake: SampleBuilder, name: str) -> None:
    fake.service(PORT, 53, protocol=UDP, rx=(1, 60), flows=1)
    fake.flow(HERE, THERE, UDP, ports=(1, 2), rx=(1, 60))
    table = MAKERS[name](fake.sample)
    assert table.name == name
    assert list(table.fields) == CONTRACT[name].split()
    for record in rows(table):
        assert list(record) == list(table.fields)
        assert json.loads(json.dumps(record)) == record, "no numpy types in it"


@pytest.mark.parametrize("name", list(MAKERS))
def test_every_field_sorts_and_an_empty_table_too(fake: SampleBuilder, name: str) -> None:
    for turn in range(2):
        table = MAKERS[name](fake.sample)
        assert len(rows(table)) == table.length
        for key in table.sort_keys:
            every = choose_rows(table, None, key, None)
            assert sorted(every) == list(range(table.length))
            assert choose_rows(table, None, key, 3) == every[:3]
        assert len(set(table.identity().tolist())) == table.length
        if not turn:
            fake.service(PORT, 53, protocol=UDP, rx=(1, 60), flows=1)
            fake.service(PORT, 80, protocol=TCP, tx=(2, 90), flows=1)
            fake.flow(HERE, THERE, UDP, ports=(1, 2), rx=(1, 60))
            fake.flow(HERE, "192.0.2.8", UDP, ports=(1, 2), tx=(2, 70))


def test_all_256_protocols_are_there_both_versions_and_directions_in_one(
    fake: SampleBuilder,
) -> None:
    fake.service(PORT, 53, protocol=UDP, rx=(10, 1000), tx=(1, 100))
    fake.service(PORT, 53, protocol=UDP, version=6, rx=(20, 2000), slot=1)
    fake.service(PROTOCOL, protocol=UDP, rx=(3, 30))  # later fragments
    fake.service(PROTOCOL, protocol=GRE, tx=(2, 2**50))
    table = rows(protocol_table(fake.sample))
    assert sorted(row["number"] for row in table) == list(range(256))
    assert all(row["protocol"] == protocol_name(row["number"]) for row in table)
    counted = {row["protocol"]: (row["packets"], row["bytes"]) for row in table if row["packets"]}
    assert counted == {"udp": (34, 3130), "gre": (2, 2**50)}
    assert [row["protocol"] for row in table[:2]] == ["gre", "udp"]


def test_what_is_no_ip_or_broken_is_no_protocol(fake: SampleBuilder) -> None:
    fake.service(ServiceKind.ETHERTYPE, 0x0806, version=0, rx=(9, 540))
    fake.service(ServiceKind.BROKEN, rx=(9, 540))
    assert not any(row["packets"] for row in rows(protocol_table(fake.sample)))
    assert rows(port_table(fake.sample)) == []


def test_covered_interfaces_are_left_out_of_sums(fake: SampleBuilder) -> None:
    for slot in (0, 1, 2):
        fake.service(PORT, 443, protocol=TCP, rx=(10**slot, 100), flows=1, slot=slot)
        fake.flow(HERE, THERE, TCP, ports=(443, 50000), rx=(10**slot, 100), slot=slot)
    (port,) = rows(port_table(fake.sample))
    assert (port["packets"], port["bytes"], port["connections"]) == (11, 200, 2)
    assert {row["packets"] for row in rows(protocol_table(fake.sample))} == {11, 0}
    (host,) = rows(host_table(fake.sample))
    assert (host["rx_packets"], host["connections"]) == (11, 2)


def test_ports_of_different_protocols_are_apart(fake: SampleBuilder) -> None:
    fake.service(PORT, 53, protocol=UDP, rx=(1, 60), flows=1)
    fake.service(PORT, 53, protocol=UDP, version=6, tx=(2, 70), flows=4)
    fake.service(PORT, 53, protocol=TCP, rx=(3, 2**63), flows=2)
    fake.service(PORT, 0, protocol=UDP, rx=(4, 50))
    fake.service(PROTOCOL, protocol=ICMP, rx=(5, 50))
    table = port_table(fake.sample)
    assert rows(table) == [
        {"protocol": "tcp", "port": 53, "packets": 3, "bytes": 2**63, "connections": 2},
        {"protocol": "udp", "port": 53, "packets": 3, "bytes": 130, "connections": 5},
        {"protocol": "udp", "port": 0, "packets": 4, "bytes": 50, "connections": 0},
    ]
    assert [row["port"] for row in rows(table, "port 0")] == [0]
    assert [row["protocol"] for row in rows(table, "proto tcp and port 53")] == ["tcp"]


def test_hosts_are_distinguished_by_version_too(fake: SampleBuilder) -> None:
    """192.0.2.7 in four bytes, and the IPv6 address that begins with the same four."""
    same_bytes = "c000:207::"
    fake.flow(HERE, THERE, TCP, ports=(443, 1), rx=(1, 10), tx=(2, 20))
    fake.flow(HERE, THERE, TCP, ports=(443, 2), rx=(4, 40), slot=1)
    fake.flow("2001:db8::1", same_bytes, UDP, ports=(53, 1), tx=(8, 2**62))
    fake.flow("2001:db8::1", THERE6, ICMP)
    found = {row.pop("remote_addr"): row for row in rows(host_table(fake.sample))}
    names = ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes", "connections")
    assert {address: [row[name] for name in names] for address, row in found.items()} == {
        THERE: [5, 50, 2, 20, 2],
        same_bytes: [0, 0, 8, 2**62, 1],
        THERE6: [0, 0, 0, 0, 1],
    }
    assert all(row["remote_name"] is None for row in found.values())
    table = host_table(fake.sample)
    assert [row["remote_addr"] for row in rows(table, f"host {THERE6}")] == [THERE6]


def test_an_address_of_a_link_is_a_host_on_each_link(fake: SampleBuilder) -> None:
    """And any other address is one host, whichever way it is reached."""
    for slot, octets in ((0, 10), (1, 200)):
        fake.flow("fe80::2", "fe80::1", 58, rx=(1, octets), slot=slot)
        fake.flow("2001:db8::2", THERE6, 58, rx=(1, octets), slot=slot)
    reported = {row["remote_addr"]: row["rx_bytes"] for row in rows(host_table(fake.sample))}
    assert reported == {"fe80::1%eth0": 10, "fe80::1%eth1": 200, THERE6: 210}
