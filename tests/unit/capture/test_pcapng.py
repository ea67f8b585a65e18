# SPDX-License-Identifier: MIT
"""What is written, read by scapy."""

from __future__ import annotations

import io
import struct

import pytest
from scapy.utils import PcapNgReader

from trafficmon.capture.pcapng import LINKTYPE_ETHERNET, Packet, PcapngWriter

FRAME = bytes(range(60))


def written(*packets: Packet) -> bytes:
    stream = io.BytesIO()
    writer = PcapngWriter(stream, "trafficmon test", "Linux 6.1")
    assert writer.add_interface("eth0", LINKTYPE_ETHERNET, 100, "port 80") == 0
    assert writer.add_interface("lo", LINKTYPE_ETHERNET, 100, "") == 1
    for packet in packets:
        writer.write(packet)
    writer.add_statistics(0, 10**18, (3, 1, 2))
    return stream.getvalue()


def blocks(raw: bytes) -> list[tuple[int, bytes]]:
    found = []
    while raw:
        kind, length = struct.unpack_from("=II", raw)
        assert length % 4 == 0
        assert struct.unpack_from("=I", raw, length - 4)[0] == length
        found.append((kind, raw[8 : length - 4]))
        raw = raw[length:]
    return found


def test_blocks_are_whole_and_in_order() -> None:
    raw = written(Packet(0, 1, FRAME[:41], 60, True, 0, None))
    assert [kind for kind, _ in blocks(raw)] == [0x0A0D0D0A, 1, 1, 6, 5]


@pytest.mark.parametrize("size", range(56, 61))
def test_packets_come_back(size: int) -> None:
    at_ns = 1_700_000_000_123_456_789
    raw = written(Packet(1, at_ns, FRAME[:size], 99, False, 7, "process=ä pid=3"))
    with PcapNgReader(io.BytesIO(raw)) as reader:  # type: ignore[arg-type]
        (packet,) = list(reader)
    assert bytes(packet) == FRAME[:size]
    assert packet.wirelen == 99
    assert int(packet.time * 10**9) == at_ns
    assert packet.comment == "process=ä pid=3".encode()
    assert packet.sniffed_on == "lo"
    assert packet.direction == 2


def test_options_are_padded_and_ended() -> None:
    raw = written(Packet(0, 1, b"", 60, True, 5, "abc"))
    _, body = blocks(raw)[3]
    options = body[20:]
    codes = []
    while options:
        code, length = struct.unpack_from("=HH", options)
        codes.append((code, options[4 : 4 + length]))
        options = options[4 + length + -length % 4 :]
    assert codes == [(2, b"\1\0\0\0"), (4, b"\5" + bytes(7)), (1, b"abc"), (0, b"")]


def test_statistics_are_received_dropped_and_delivered() -> None:
    """draft-ietf-opsawg-pcapng, 4.6: isb_ifrecv 4, isb_ifdrop 5, isb_usrdeliv 8."""
    kind, body = blocks(written())[-1]
    assert kind == 5
    assert struct.unpack_from("=III", body) == (0, 10**18 >> 32, 10**18 & 0xFFFFFFFF)
    counts = {
        code: struct.unpack_from("=Q", body, at + 4)[0]
        for at in range(12, len(body) - 4, 12)
        for code in struct.unpack_from("=H", body, at)
    }
    assert counts == {4: 3, 5: 1, 8: 2}
