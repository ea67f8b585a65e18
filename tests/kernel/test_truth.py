# SPDX-License-Identifier: MIT
"""Real traffic by real programs: what we count is what tcpdump saw, and what the kernel counted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kernel.everyday import mostly_long
from tests.kernel.program import Program, attached
from tests.lab.capture import BothWays
from tests.lab.counters import interface_counters
from tests.lab.flows import Count, FlowKey
from tests.lab.lab import Lab, mixed_traffic
from trafficmon.protocols import protocol_number

pytestmark = pytest.mark.kernel

WAYS = {
    "tcx": (),
    "clsact": ("--tc", "clsact"),
    "native": ("--xdp", "native"),
    "generic": ("--xdp", "generic"),
}


def counted_flows(program: Program) -> dict[FlowKey, tuple[Count, Count]]:
    """Flows as `top flows --json` shows them: what came in, what went out."""
    flows: dict[FlowKey, tuple[Count, Count]] = {}
    for row in program.rows("flows"):
        key = FlowKey(
            6 if ":" in row["local_addr"] else 4,
            protocol_number(row["protocol"]),
            row["local_addr"],
            row["local_port"],
            row["remote_addr"],
            row["remote_port"],
        )
        assert key not in flows
        flows[key] = (
            Count(row["rx_packets"], row["rx_bytes"]),
            Count(row["tx_packets"], row["tx_bytes"]),
        )
    return flows


def captured_flows(both: BothWays) -> dict[FlowKey, tuple[Count, Count]]:
    """The same out of the capture."""
    rx, tx = both.rx.tally().flows, both.tx.tally().flows
    nothing = Count(0, 0)
    return {key: (rx.get(key, nothing), tx.get(key, nothing)) for key in rx | tx}


@pytest.mark.parametrize("way", mostly_long(WAYS, "tcx", "native"))
def test_every_flow_equals_the_capture(way: str) -> None:
    """TCP, UDP, ICMP, IPv6, fragments, VLAN, QinQ and the rest, packet by packet, byte by byte."""
    with (
        Lab(offloads=False) as lab,
        attached(lab.server, lab.server_if, options=WAYS[way]) as program,
    ):
        before = interface_counters(lab.server_end)
        with lab.capture() as capture:
            mixed_traffic(lab)
        after = interface_counters(lab.server_end)
        expected, counted = captured_flows(capture), counted_flows(program)
        (interface,) = program.rows("interfaces")
        protocols = program.rows("protocols")
        ports = program.rows("ports")
        ledger = program.status()["ledger"]
        other = [capture.rx.tally().non_ip, capture.tx.tally().non_ip]

    assert counted == expected
    assert len(counted) > 1000
    _compare_interface(interface, before, after, without_header=way == "native")
    assert interface["non_ip_packets"] == sum(count.packets for count in other)
    assert interface["parse_errors"] == 0
    _compare_breakdown(interface, protocols, expected)
    _compare_ports(ports, expected)
    assert ledger["flow_evictions"] == ledger["flow_insert_failures"] == 0
    assert ledger["flow_coverage_percent"] == 100


def _compare_interface(
    interface: dict[str, Any], before: Any, after: Any, *, without_header: bool
) -> None:
    """The kernel's own counters of the interface, /proc/net/dev.

    ``without_header``: a veth with XDP counts what it receives without the Ethernet header
    (drivers/net/veth.c, veth_xdp_rcv_skb(): skb->len after eth_type_trans()).
    """
    assert interface["rx_packets"] == after.rx.packets - before.rx.packets
    headers = 14 * interface["rx_packets"] if without_header else 0
    assert interface["rx_bytes"] - headers == after.rx.bytes - before.rx.bytes
    assert interface["tx_packets"] == after.tx.packets - before.tx.packets
    assert interface["tx_bytes"] == after.tx.bytes - before.tx.bytes
    packets = interface["rx_packets"] + interface["tx_packets"]
    assert sum(interface["packet_size"].values()) == packets
    by_kind = ("ipv4_packets", "ipv6_packets", "non_ip_packets", "parse_errors")
    assert sum(interface[name] for name in by_kind) == packets


def _compare_breakdown(
    interface: dict[str, Any],
    protocols: list[dict[str, Any]],
    expected: dict[FlowKey, tuple[Count, Count]],
) -> None:
    packets: dict[int, int] = {}
    sizes: dict[int, int] = {}
    for key, counts in expected.items():
        packets[key.protocol] = packets.get(key.protocol, 0) + sum(c.packets for c in counts)
        sizes[key.protocol] = sizes.get(key.protocol, 0) + sum(c.bytes for c in counts)
    assert {row["number"]: row["packets"] for row in protocols if row["packets"]} == packets
    assert {row["number"]: row["bytes"] for row in protocols if row["packets"]} == sizes
    assert len(protocols) == 256
    assert interface["tcp_packets"] == packets[6]
    assert interface["udp_packets"] == packets[17]
    assert interface["icmp_packets"] == packets[1] + packets[58]


def _compare_ports(
    ports: list[dict[str, Any]], expected: dict[FlowKey, tuple[Count, Count]]
) -> None:
    """Each packet with ports is under one port; the servers' ports are found."""
    with_ports = {key: counts for key, counts in expected.items() if key.local_port is not None}
    assert sum(row["packets"] for row in ports) == sum(
        count.packets for counts in with_ports.values() for count in counts
    )
    found = {(row["protocol"], row["port"]) for row in ports}
    assert {("tcp", 8080), ("tcp", 8081), ("udp", 9000), ("udp", 9001), ("udp", 53)} <= found
