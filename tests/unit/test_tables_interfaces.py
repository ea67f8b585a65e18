# SPDX-License-Identifier: MIT
"""Interfaces and layers: what each saw in all, and null where nothing counts."""

from __future__ import annotations

import json

import pytest

from tests.unit.sample_builder import SampleBuilder
from trafficmon.filter.evaluate import matches
from trafficmon.filter.parser import parse
from trafficmon.layout import AttachMode, Hook, InterfaceState, ServiceKind
from trafficmon.tables.interfaces import interface_table
from trafficmon.tables.layers import layer_table
from trafficmon.tables.query import choose_rows
from trafficmon.tables.table import Record, Table

COUNTS = ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes")
INTERFACE_FIELDS = (
    "interface ifindex xdp_mode rx_packets rx_bytes tx_packets tx_bytes ipv4_packets ipv6_packets "
    "non_ip_packets tcp_packets udp_packets icmp_packets other_packets parse_errors packet_size"
)
LAYER_FIELDS = ["layer", *COUNTS, *(f"{name}_difference" for name in COUNTS), "causes"]
SIZES = ["64", "128", "256", "512", "1024", "1518", "9000", "+Inf"]
NOTHING = [None] * 4


@pytest.fixture
def fake() -> SampleBuilder:
    return SampleBuilder()


def interfaces(fake: SampleBuilder) -> dict[str, Record]:
    table = interface_table(fake.sample)
    return {record["interface"]: record for record in map(table.record, range(table.length))}


def layers(fake: SampleBuilder) -> dict[str, Record]:
    table = layer_table(fake.sample)
    return {record["layer"]: record for record in map(table.record, range(table.length))}


def counts(record: Record) -> list[int | None]:
    return [record[name] for name in COUNTS]


def test_an_interface_with_everything(fake: SampleBuilder) -> None:
    fake.interface(1, "eth0", xdp_mode=AttachMode.XDP_NATIVE)
    fake.hook(Hook.XDP_RX, [1, 2, 0, 4], 2000, broken=3, slot=1)
    fake.hook(Hook.TC_TX, [0, 0, 0, 1, 0, 0, 0, 2], 30000, broken=1, slot=1)
    kind = ServiceKind
    fake.service(kind.PORT, 443, protocol=6, rx=(1, 0), tx=(10, 0), slot=1)
    fake.service(kind.PORT, 53, protocol=17, version=6, rx=(100, 0), slot=1)
    fake.service(kind.PROTOCOL, protocol=17, rx=(1000, 0), slot=1)
    fake.service(kind.PROTOCOL, protocol=1, rx=(2, 0), slot=1)
    fake.service(kind.PROTOCOL, protocol=58, version=6, rx=(4, 0), slot=1)
    fake.service(kind.PROTOCOL, protocol=47, rx=(5, 0), slot=1)
    fake.service(kind.ETHERTYPE, 0x0806, version=0, rx=(6, 0), slot=1)
    fake.service(kind.BROKEN, rx=(7, 0), slot=1)
    fake.service(kind.PORT, 443, protocol=6, rx=(9999, 0), slot=0)  # another interface's
    record = interfaces(fake)["eth0"]
    assert record == {
        "interface": "eth0",
        "ifindex": 101,
        "xdp_mode": "native",
        "rx_packets": 7,
        "rx_bytes": 2000,
        "tx_packets": 3,
        "tx_bytes": 30000,
        "ipv4_packets": 11 + 1000 + 2 + 5,
        "ipv6_packets": 104,
        "non_ip_packets": 6,
        "tcp_packets": 11,
        "udp_packets": 1100,
        "icmp_packets": 6,
        "other_packets": 5,
        "parse_errors": 4,
        "packet_size": dict(zip(SIZES, [1, 2, 0, 5, 0, 0, 0, 2], strict=True)),
    }
    assert list(record) == list(interface_table(fake.sample).fields) == INTERFACE_FIELDS.split()
    assert json.loads(json.dumps(record)) == record, "no numpy types in it"


def test_directions_that_nothing_counts_are_null_and_quiet_ones_0(fake: SampleBuilder) -> None:
    fake.interface(0, "quiet")
    fake.interface(1, "xdp only", xdp_mode=AttachMode.XDP_NATIVE, tc_mode=AttachMode.OFF)
    fake.interface(2, "nothing yet", tc_mode=AttachMode.OFF, state=InterfaceState.ATTACHING)
    fake.interface(3, "once", tc_mode=AttachMode.OFF, state=InterfaceState.DETACHED)
    fake.hook(Hook.TC_TX, [1], 60, slot=3)
    found = interfaces(fake)
    assert counts(found["quiet"]) == [0, 0, 0, 0]
    assert counts(found["xdp only"]) == [0, 0, None, None]
    assert counts(found["nothing yet"]) == NOTHING
    assert counts(found["once"]) == [None, None, 1, 60]


def test_generic_xdp_is_counted_by_tc(fake: SampleBuilder) -> None:
    fake.interface(0, "eth0", xdp_mode=AttachMode.XDP_GENERIC)
    fake.hook(Hook.XDP_GENERIC, [5], 300, broken=2)
    fake.hook(Hook.TC_RX, [8], 480, broken=2)
    record = interfaces(fake)["eth0"]
    assert counts(record)[:2] == [8, 480]
    assert record["xdp_mode"] == "generic"
    assert record["parse_errors"] == 2
    assert sum(record["packet_size"].values()) == 8


def test_interfaces_that_are_not_there_any_more(fake: SampleBuilder) -> None:
    fake.interface(0, "gone", gone=True, xdp_mode=AttachMode.XDP_NATIVE)
    fake.interface(1, "detached", state=InterfaceState.DETACHED, xdp_mode=AttachMode.XDP_NATIVE)
    found = interfaces(fake)
    assert (found["gone"]["xdp_mode"], found["gone"]["ifindex"]) == ("gone", None)
    assert (found["detached"]["xdp_mode"], found["detached"]["ifindex"]) == ("detached", 101)


def test_interfaces_sort_and_filter(fake: SampleBuilder) -> None:
    for key in interface_table(fake.sample).sort_keys:
        assert choose_rows(interface_table(fake.sample), None, key, 5) == []
    fake.interface(0, "lo")
    fake.interface(1, "eth0")
    fake.interface(2, "eth1", tc_mode=AttachMode.OFF)
    fake.hook(Hook.TC_RX, [1, 1], 100, slot=0)
    fake.hook(Hook.TC_TX, [3], 90, slot=1)
    table = interface_table(fake.sample)
    assert choose_rows(table, None, None, None) == choose_rows(table, None, "bytes", 9) == [0, 1, 2]
    assert choose_rows(table, None, "packets", None) == [1, 0, 2]
    assert choose_rows(table, None, "interface", None) == [1, 2, 0]
    assert set(table.sort_keys) - {"bytes", "packets"} <= set(table.fields)
    mask = matches(parse("iface eth1"), table.filter_columns())
    assert choose_rows(table, mask, None, None) == [2]
    assert len(set(table.identity().tolist())) == 3


def check_layers(table: Table) -> None:
    assert list(table.fields) == LAYER_FIELDS
    for row in choose_rows(table, None, None, None):
        record = table.record(row)
        assert list(record) == LAYER_FIELDS
        assert json.loads(json.dumps(record)) == record


def test_a_layer_that_is_not_there_is_null_and_a_quiet_one_0(fake: SampleBuilder) -> None:
    fake.hooks.clear()
    assert [counts(record) for record in layers(fake).values()] == [NOTHING] * 4
    fake.interface(0, "eth0")
    found = layers(fake)
    assert counts(found["xdp"]) == NOTHING
    assert counts(found["tc"]) == [0, 0, 0, 0]
    fake.interface(1, "eth1", xdp_mode=AttachMode.XDP_NATIVE)
    assert counts(layers(fake)["xdp"]) == [0, 0, None, None]
    check_layers(layer_table(fake.sample))


def test_layers_are_sums_over_interfaces_with_their_differences(fake: SampleBuilder) -> None:
    fake.interface(0, "eth0", xdp_mode=AttachMode.XDP_GENERIC)
    fake.interface(1, "eth1", xdp_mode=AttachMode.XDP_NATIVE)
    fake.interface(2, "bond0", covered=True)
    fake.hook(Hook.XDP_GENERIC, [2], 3000, slot=0)
    fake.hook(Hook.TC_RX, [5], 3200, slot=0)
    fake.hook(Hook.TC_TX, [1], 60, slot=0)
    fake.hook(Hook.XDP_RX, [10], 600, slot=1)
    fake.hook(Hook.TC_TX, [2], 120, slot=1)
    for hook in (Hook.TC_RX, Hook.TC_TX):
        fake.hook(hook, [9999], 10**9, slot=2)
    found = layers(fake)
    assert counts(found["xdp"]) == [12, 3600, None, None]
    assert counts(found["tc"]) == [5, 3200, 3, 180]
    assert found["tc"]["rx_packets_difference"] == -7
    assert found["tc"]["rx_bytes_difference"] == -400
    assert found["tc"]["tx_packets_difference"] is None
    assert found["xdp"]["rx_packets_difference"] is None
    for cause in ("generic XDP", "leaves to native XDP", "where XDP is off"):
        assert cause in found["tc"]["causes"]
    check_layers(layer_table(fake.sample))


def test_layers_stand_in_the_order_of_a_packet(fake: SampleBuilder) -> None:
    table = layer_table(fake.sample)
    assert [table.record(row)["layer"] for row in choose_rows(table, None, None, 20)] == [
        "xdp",
        "tc",
        "cgroup",
        "app",
    ]
    for key in table.sort_keys:
        assert sorted(choose_rows(table, None, key, None)) == [0, 1, 2, 3]


def test_an_interface_that_sums_leave_out_keeps_what_it_counted_in_them(
    fake: SampleBuilder,
) -> None:
    fake.interface(0, "br0", covered=True)
    fake.interface(1, "eth0", state=InterfaceState.DETACHED)
    for slot, covered, packets in ((0, False, 5), (0, True, 7), (1, False, 1)):
        fake.hook(Hook.TC_RX, [packets], packets * 60, slot=slot, covered=covered)
        kind = ServiceKind.PROTOCOL
        fake.service(kind, protocol=1, rx=(packets, 0), slot=slot, covered=covered)
    found = interfaces(fake)
    assert (found["br0"]["rx_packets"], found["br0"]["rx_bytes"]) == (12, 720)
    assert (found["br0"]["icmp_packets"], found["br0"]["xdp_mode"]) == (12, "off")
    assert (found["eth0"]["rx_packets"], found["eth0"]["xdp_mode"]) == (1, "detached")
    assert interface_table(fake.sample).length == 2
    assert layers(fake)["tc"]["rx_packets"] == 6


def test_what_earlier_interfaces_counted_in_a_slot_is_in_sums_alone(fake: SampleBuilder) -> None:
    kind = ServiceKind.PROTOCOL
    fake.hook(Hook.TC_RX, [5, 2], 700, broken=1)
    fake.hook(Hook.TC_RX, [1], 60, covered=True)
    fake.hook(Hook.TC_TX, [3], 180)
    fake.service(kind, protocol=17, rx=(6, 0), tx=(3, 0))
    fake.interface(0, "veth1")
    fake.give_away(0)
    fake.interface(0, "veth2")
    row = interfaces(fake)["veth2"]
    assert {row[name] for name in ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes")} == {0}
    assert row["parse_errors"] == row["udp_packets"] == row["ipv4_packets"] == 0
    fake.hook(Hook.TC_RX, [6, 2], 764, broken=3)
    fake.service(kind, protocol=17, rx=(1, 0))
    row = interfaces(fake)["veth2"]
    assert (row["rx_packets"], row["rx_bytes"], row["parse_errors"]) == (1, 64, 2)
    assert (row["udp_packets"], row["tx_packets"], row["packet_size"]["64"]) == (1, 0, 1)
    assert (layers(fake)["tc"]["rx_packets"], layers(fake)["tc"]["rx_bytes"]) == (8, 764)
