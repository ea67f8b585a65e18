# SPDX-License-Identifier: MIT
"""Super-packets: one frame of 64 kB in a capture is dozens on a wire, and we count those."""

from __future__ import annotations

import socket
import struct
import sys
from pathlib import Path

import pytest

from tests.corpus import wire
from tests.kernel.everyday import mostly_long
from tests.kernel.program import attached
from tests.lab import traffic
from tests.lab.flows import dissect
from tests.lab.lab import Lab
from tests.lab.traffic import serving
from tests.lab.veth import Endpoint

pytestmark = pytest.mark.kernel

SOL_PACKET, PACKET_VNET_HDR = 263, 15  # include/linux/socket.h, include/uapi/linux/if_packet.h

WAYS = {"tcx": (), "clsact": ("--tc", "clsact"), "generic": ("--xdp", "generic")}


@pytest.mark.parametrize("way", mostly_long(["tcx", "clsact", "generic"], "tcx"))
def test_super_packets_count_as_their_segments(way: str) -> None:
    """With offloads on a capture shows frames of 64 kB; we count the segments that go on a wire."""
    with (
        Lab(offloads=True) as lab,
        attached(lab.server, lab.server_if, options=WAYS[way]) as program,
    ):
        client, server = lab.client_end, lab.server_end
        with lab.capture() as capture:
            for version in (4, 6):
                traffic.tcp(
                    client, server, up_bytes=3_000_000, down_bytes=2_000_000, version=version
                )
        expected = {side: _segments(getattr(capture, side).path) for side in ("rx", "tx")}
        captured = capture.rx.tally().total.packets + capture.tx.tally().total.packets
        rows = program.rows("flows", "--filter", "proto tcp")
        (interface,) = program.rows("interfaces")
        protocols = {row["protocol"]: row for row in program.rows("protocols")}

    assert len(rows) == 2
    for row in rows:
        version = 6 if ":" in row["local_addr"] else 4
        for side, by_version in expected.items():
            assert (row[f"{side}_packets"], row[f"{side}_bytes"]) == by_version[version]
            assert row[f"{side}_bytes"] > (3_000_000 if side == "rx" else 2_000_000)
    packets = interface["rx_packets"] + interface["tx_packets"]
    assert packets > 2 * captured, "hardly a super-packet was seen: the test shows nothing"
    assert sum(interface["packet_size"].values()) == packets
    assert interface["packet_size"]["9000"] == interface["packet_size"]["+Inf"] == 0
    assert protocols["tcp"]["packets"] == packets


_FIELDS = ("frame.len", "ip.version", "ipv6.version", "tcp.len", "tcp.hdr_len")


def _segments(pcap: Path) -> dict[int, tuple[int, int]]:
    """Packets and bytes on a wire of MTU 1500 for the frames of a capture, by IP version.

    Each segment carries up to 1500 bytes less the headers, and repeats them and Ethernet's.
    """
    found = {4: (0, 0), 6: (0, 0)}
    for length, _, ipv6, payload, tcp_header in dissect(pcap, _FIELDS):
        version = 6 if ipv6 else 4
        headers = (40 if ipv6 else 20) + int(tcp_header)
        segments = max(1, -(-int(payload) // (1500 - headers)))
        packets, size = found[version]
        size += int(length) + (segments - 1) * (14 + headers)
        found[version] = (packets + segments, size)
    return found


_SEGMENTED_UDP = """
import socket, sys
SOL_UDP, UDP_SEGMENT = 17, 103
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
    sender.setsockopt(SOL_UDP, UDP_SEGMENT, 1000)
    sender.bind((sys.argv[1], 4000))
    for _ in range(30):
        sender.sendto(bytes(50_500), (sys.argv[2], 9))
"""


def test_segmented_udp() -> None:
    """UDP_SEGMENT: one send of 50,500 bytes is 50 datagrams of 1,000 bytes and one of 500."""
    with (
        Lab(offloads=True) as lab,
        attached(lab.client, lab.client_if) as sent,
        attached(lab.server, lab.server_if) as got,
    ):
        addresses = (lab.client_end.address(4), lab.server_end.address(4))
        lab.client.run([sys.executable, "-c", _SEGMENTED_UDP, *addresses])
        (tx,) = sent.rows("flows", "--filter", "port 9")
        (rx,) = got.rows("flows", "--filter", "port 9")

    assert (tx["tx_packets"], tx["tx_bytes"]) == (30 * 51, 30 * (50_500 + 51 * 42))
    assert (rx["rx_packets"], rx["rx_bytes"]) == (tx["tx_packets"], tx["tx_bytes"])


def _add_vxlan(end: Endpoint, far: Endpoint, address: str) -> None:
    tunnel = ["id", "7", "dstport", "4789", "local", end.address(4), "remote", far.address(4)]
    end.namespace.run(["ip", "link", "add", "vx0", "type", "vxlan", *tunnel, "dev", end.interface])
    end.namespace.run(["ip", "addr", "add", f"{address}/24", "dev", "vx0"])
    end.namespace.run(["ip", "link", "set", "vx0", "up"])


def test_super_packets_in_a_tunnel() -> None:
    """VXLAN: each segment repeats outer and inner headers; the flow is the outer one."""
    with Lab(offloads=True) as lab, attached(lab.server, lab.server_if) as program:
        _add_vxlan(lab.client_end, lab.server_end, "10.50.0.1")
        _add_vxlan(lab.server_end, lab.client_end, "10.50.0.2")
        with lab.capture() as capture:
            server = ["iperf3", "-s", "--forceflush", "-B", "10.50.0.2"]
            with serving(lab.server_end, server, "listening"):
                lab.client.run(["iperf3", "-c", "10.50.0.2", "-n", "20M"])
        rx, frames = _tunnel_segments(capture.rx.path)
        rows = program.rows("flows", "--filter", "local port 4789")

    counted = (sum(r["rx_packets"] for r in rows), sum(r["rx_bytes"] for r in rows))
    assert counted == rx
    assert rx[0] > 5 * frames, "hardly a super-packet was seen: the test shows nothing"


def _tunnel_segments(pcap: Path) -> tuple[tuple[int, int], int]:
    """Packets and bytes on a wire for TCP in VXLAN; and the frames that the capture has."""
    packets = size = frames = 0
    for length, payload, tcp_header in dissect(
        pcap, ("frame.len", "tcp.len", "tcp.hdr_len"), "vxlan"
    ):
        inner = 14 + 20 + int(tcp_header or 0)
        per_segment = 1450 - 20 - int(tcp_header or 0)
        segments = max(1, -(-int(payload or 0) // per_segment))
        packets += segments
        size += int(length) + (segments - 1) * (14 + 20 + 8 + 8 + inner)
        frames += 1
    return (packets, size), frames


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("way", ["tcx", "clsact"])
def test_super_packets_with_a_tag(way: str, version: int) -> None:
    """A super-packet of three segments with a VLAN tag, which the kernel takes off before tc."""
    addresses = (b"\x0a\0\0\1", b"\x0a\0\0\2") if version == 4 else (bytes(16), bytes(16))
    body = wire.transport(wire.TCP, 40000, 443, bytes(2500))
    packet = (wire.ipv4 if version == 4 else wire.ipv6)(body, wire.TCP, addresses)
    frame = wire.link(0x0800 if version == 4 else 0x86DD, packet, tags=(0x8100,)) + packet
    headers = len(frame) - 2500
    vnet = struct.pack("=BBHHHH", 1, 1 if version == 4 else 4, headers, 1000, headers - 20, 16)
    with (
        Lab(offloads=True) as lab,
        attached(lab.server, lab.server_if, options=WAYS[way]) as program,
    ):
        lab.server.run(["ip", "link", "set", lab.server_if, "promisc", "on"])
        with lab.client.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
            sender.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
            sender.bind((lab.client_if, 0))
            for _ in range(10):
                sender.send(vnet + frame)
        (row,) = program.rows("flows")
        (interface,) = program.rows("interfaces")
    assert (row["rx_packets"], row["rx_bytes"]) == (30, 10 * (2500 + 3 * headers))
    assert interface["packet_size"]["1518"] == 20
    assert interface["packet_size"]["1024"] == 10
