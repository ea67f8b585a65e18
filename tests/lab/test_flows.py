# SPDX-License-Identifier: MIT
"""tshark's fields are read as the outermost packet, whatever else is in the frame."""

import struct
from pathlib import Path

import pytest

from tests.lab.flows import Count, FlowKey, tally
from tests.lab.raw import ethernet, udp_in_ipv4
from tests.lab.requirements import LabError

pytestmark = pytest.mark.kernel  # needs no root, but tshark, as those do

INNER = udp_in_ipv4("192.0.2.7", "192.0.2.8", 7000, 8000, b"inner")
OUTER = FlowKey(4, 17, "192.0.2.8", 8000, "192.0.2.7", 7000)
UDP6 = bytes.fromhex("1b58 1f40 000c 0000") + b"udp6"
FLOW6 = FlowKey(6, 17, "fd00:9::bb", 8000, "fd00:9::aa", 7000)


def ipv4(protocol: int, payload: bytes) -> bytes:
    return (
        INNER[:2]
        + (20 + len(payload)).to_bytes(2)
        + INNER[4:9]
        + bytes([protocol])
        + INNER[10:20]
        + payload
    )


def ipv6(next_header: int, payload: bytes) -> bytes:
    addresses = bytes.fromhex("fd000009" + "00" * 11 + "aa" + "fd000009" + "00" * 11 + "bb")
    return b"\x60\0\0\0" + len(payload).to_bytes(2) + bytes([next_header, 64]) + addresses + payload


def write_pcap(folder: Path, frames: list[bytes]) -> Path:
    """Writes the classic format: one header, then a header of 16 bytes before each frame."""
    path = folder / "frames.pcap"
    header = struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    records = [struct.pack("=IIII", 0, 0, len(frame), len(frame)) + frame for frame in frames]
    path.write_bytes(header + b"".join(records))
    return path


@pytest.mark.parametrize(
    ("ethertype", "packet", "key"),
    [
        pytest.param(0x0800, INNER, OUTER, id="plain"),
        pytest.param(
            0x8864,
            bytes.fromhex("1100 0001") + (len(INNER) + 2).to_bytes(2) + b"\0\x21" + INNER,
            OUTER,
            id="pppoe",
        ),
        pytest.param(0x8847, bytes.fromhex("00064040 00065140") + INNER, OUTER, id="mpls"),
        pytest.param(
            0x0800,
            ipv4(4, INNER),
            FlowKey(4, 4, "192.0.2.8", None, "192.0.2.7", None),
            id="ip-in-ip",
        ),
        pytest.param(
            0x0800,
            ipv4(1, b"\x03\x03\0\0\0\0\0\0" + INNER),
            FlowKey(4, 1, "192.0.2.8", None, "192.0.2.7", None),
            id="icmp-error-that-quotes-udp",
        ),
        pytest.param(
            0x86DD,
            ipv6(41, ipv6(17, UDP6)),
            FlowKey(6, 41, "fd00:9::bb", None, "fd00:9::aa", None),
            id="ipv6-in-ipv6",
        ),
        pytest.param(
            0x86DD,
            ipv6(0, bytes([60, 0, 1, 4, 0, 0, 0, 0]) + bytes([17, 0, 1, 4, 0, 0, 0, 0]) + UDP6),
            FLOW6,
            id="extension-headers",
        ),
        pytest.param(
            0x86DD,
            ipv6(44, bytes.fromhex("1100 0001 00000007") + UDP6 + bytes(12)),
            FLOW6,
            id="first-fragment",
        ),
        pytest.param(
            0x86DD,
            ipv6(44, bytes.fromhex("1100 0010 00000008") + bytes(16)),
            FlowKey(6, 17, "fd00:9::bb", None, "fd00:9::aa", None),
            id="later-fragment-alone",
        ),
        pytest.param(0x88CC, INNER, None, id="lldp"),
        pytest.param(len(INNER), INNER, None, id="802.3-length"),
    ],
)
def test_outermost_packet(
    tmp_path: Path, ethertype: int, packet: bytes, key: FlowKey | None
) -> None:
    frame = ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", ethertype, packet)
    found = tally(write_pcap(tmp_path, [frame, frame]), "in")
    assert found.flows == ({key: Count(2, 2 * len(frame))} if key else {})
    assert found.total == Count(2, 2 * len(frame))


def test_outgoing_frames_are_seen_from_the_source(tmp_path: Path) -> None:
    frame = ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", 0x0800, INNER)
    (key,) = tally(write_pcap(tmp_path, [frame]), "out").flows
    assert key == FlowKey(4, 17, "192.0.2.7", 7000, "192.0.2.8", 8000)


def test_later_fragments_have_protocol_and_ports_of_their_first(tmp_path: Path) -> None:
    def fragment(next_header: int, offset_and_more: int, payload: bytes) -> bytes:
        header = struct.pack("!BBHI", next_header, 0, offset_and_more, 77)
        packet = ipv6(44, header + payload)
        return ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", 0x86DD, packet)

    options = bytes(
        [17, 0, 1, 4, 0, 0, 0, 0]
    )  # in the fragmented part: the headers name it, not UDP
    first = fragment(60, 0x0001, options + UDP6 + bytes(4))
    later = fragment(60, 0x0018, bytes(30))
    found = tally(write_pcap(tmp_path, [first, later]), "in")
    assert found.flows == {FLOW6: Count(2, len(first) + len(later))}
    alone = tally(write_pcap(tmp_path, [later]), "in")
    assert [(key.protocol, key.local_port) for key in alone.flows] == [(60, None)]


def test_a_header_that_is_cut_is_no_flow(tmp_path: Path) -> None:
    frame = ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", 0x86DD, b"")[:20]
    assert tally(write_pcap(tmp_path, [frame]), "in").non_ip == Count(1, 20)


def test_an_empty_capture(tmp_path: Path) -> None:
    found = tally(write_pcap(tmp_path, []), "in")
    assert (found.flows, found.total) == ({}, Count(0, 0))


def test_a_broken_capture_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "no.pcap"
    path.write_bytes(b"this is no capture")
    with pytest.raises(LabError, match="tshark ended with status"):
        tally(path, "in")
