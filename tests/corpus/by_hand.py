# SPDX-License-Identifier: MIT
"""Short words for frames and verdicts that are written out by hand.

Frames are strings of hexadecimal digits. All go from A4 or A6 to B4 or B6, and are received.
"""

from tests.corpus.reference import FlowKey, Verdict

MACS = "020000000002 020000000001"
A4, B4 = "0a000001", "0a000002"
A6, B6 = "20010db8000000000000000000000001", "20010db8000000000000000000000002"
PORTS = "1388 0035"
UDP = f"{PORTS} 0008 0000"
TCP = f"{PORTS} 00000001 00000002 5012 2000 0000 0000"
SCTP = f"{PORTS} 00000001 00000000"
EXTENSION_60 = "3c00 0104 00000000"


def v4(length: str, protocol: str, fragment: str = "0000", first: str = "45") -> str:
    """Return an IPv4 header from A4 to B4, id 7; all numbers as hexadecimal digits."""
    return f"{first}00 {length} 0007 {fragment} 40{protocol} 0000 {A4} {B4}"


def v6(length: str, number: str, first: str = "60") -> str:
    """Return an IPv6 header from A6 to B6."""
    return f"{first}000000 {length} {number}40 {A6} {B6}"


def frame(*pieces: str) -> bytes:
    return bytes.fromhex(" ".join((MACS, *pieces)))


def flow4(protocol: int, ports: tuple[int, int] | None = None, flags: int = 0) -> Verdict:
    """Return the verdict on a received frame from A4 to B4; `ports` are source and destination."""
    remote_port, local_port = ports or (None, None)
    local, remote = bytes.fromhex(B4), bytes.fromhex(A4)
    key = FlowKey(4, protocol, local, local_port, remote, remote_port)
    return Verdict("flow", key, None, None, flags)


def flow6(protocol: int, ports: tuple[int, int] | None = None, flags: int = 0) -> Verdict:
    """Return the verdict on a received frame from A6 to B6."""
    remote_port, local_port = ports or (None, None)
    local, remote = bytes.fromhex(B6), bytes.fromhex(A6)
    key = FlowKey(6, protocol, local, local_port, remote, remote_port)
    return Verdict("flow", key, None, None, flags)


def non_ip(ethertype: int) -> Verdict:
    return Verdict("non_ip", None, ethertype, None, 0)


BROKEN_4 = Verdict("broken", None, None, 4, 0)
BROKEN_6 = Verdict("broken", None, None, 6, 0)
BOTH = (5000, 53)

UDP4 = f"{v4('001c', '11')} {UDP}"
UDP6 = f"{v6('0008', '11')} {UDP}"
LABEL, BOTTOM = "00010040", "00010140"
