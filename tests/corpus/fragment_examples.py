# SPDX-License-Identifier: MIT
"""Sequences of fragments written out by hand, with the verdicts on them in the order received.

All are of the same datagram: begin each with an empty memory of fragments.
"""

from tests.corpus.by_hand import BOTH, TCP, UDP, UDP4, flow4, flow6, frame, v4, v6
from tests.corpus.reference import Verdict

# Fragments of one IPv4 datagram: eight bytes with the ports, then eight, sixteen and four more;
# and one that begins beyond the last one's end.
FIRST4 = f"{v4('001c', '11', '2000')} {UDP}"
SECOND4 = f"{v4('001c', '11', '2001')} {'00' * 8}"
THIRD4 = f"{v4('0024', '11', '2002')} {'00' * 16}"
LAST4 = f"{v4('0018', '11', '0004')} {'00' * 4}"
BEYOND4 = f"{v4('001c', '11', '2005')} {'00' * 8}"


def _fragment6(place: str, number: str, body: str, datagram_id: str = "00000007") -> str:
    """Return an IPv6 packet with a fragment header: `place` is its offset with the M bit."""
    length = f"{8 + len(bytes.fromhex(body)):04x}"
    return f"{v6(length, '2c')} {number}00 {place} {datagram_id} {body}"


FIRST6 = _fragment6("0001", "3c", f"1100010400000000 {UDP}")
SECOND6 = _fragment6("0011", "3c", "00" * 8)
LAST6 = _fragment6("0018", "3c", "00" * 4)
BEYOND6 = _fragment6("0021", "3c", "00" * 8)

KNOWN4, LOST4 = flow4(17, BOTH), flow4(17)
KNOWN6, LOST6 = flow6(17, BOTH), flow6(60)

_SEQUENCES = {
    "in order": ([FIRST4, SECOND4, THIRD4, LAST4], [KNOWN4] * 4),
    "first missing": ([SECOND4, LAST4], [LOST4] * 2),
    "first comes late": ([SECOND4, FIRST4, THIRD4], [LOST4, KNOWN4, KNOWN4]),
    "one missing": ([FIRST4, THIRD4, LAST4], [KNOWN4] * 3),
    "last ends it": ([FIRST4, LAST4, BEYOND4], [KNOWN4, KNOWN4, LOST4]),
    "last twice": ([FIRST4, LAST4, LAST4], [KNOWN4, KNOWN4, LOST4]),
    "reordered after the gap": ([FIRST4, THIRD4, SECOND4, LAST4], [KNOWN4] * 2 + [LOST4] * 2),
    "twice": ([FIRST4, SECOND4, SECOND4, THIRD4], [KNOWN4] * 2 + [LOST4] * 2),
    "overlapping by one byte": (
        [f"{v4('001d', '11', '2000')} {UDP} 00", SECOND4, THIRD4],
        [KNOWN4, LOST4, LOST4],
    ),
    "padding was not seen": ([f"{FIRST4} {'00' * 16}", SECOND4], [KNOWN4] * 2),
    "without a length, padding was seen": (
        [f"{v4('0000', '11', '2000')} {UDP} {'00' * 16}", SECOND4, THIRD4],
        [KNOWN4, LOST4, LOST4],
    ),
    "first again begins again": ([FIRST4, SECOND4, FIRST4, SECOND4], [KNOWN4] * 4),
    "id used again for other ports": (
        [FIRST4, f"{v4('001c', '11', '2000')} 1389 0036 0008 0000", SECOND4],
        [KNOWN4, flow4(17, (5001, 54)), flow4(17, (5001, 54))],
    ),
    "whole datagram between": ([FIRST4, UDP4, SECOND4], [KNOWN4] * 3),
    "first with cut ports": ([f"{v4('0017', '11', '2000')} 138800", SECOND4], [LOST4] * 2),
    "cut first leaves the one before": (
        [FIRST4, f"{v4('0017', '11', '2000')} 138800", SECOND4],
        [KNOWN4, LOST4, KNOWN4],
    ),
    "first without ports": (
        [f"{v4('001c', '01', '2000')} {UDP}", f"{v4('001c', '01', '0001')} {UDP}"],
        [flow4(1)] * 2,
    ),
    "other id": ([FIRST4, SECOND4.replace("0007", "0008"), SECOND4], [KNOWN4, LOST4, KNOWN4]),
    "other protocol": (
        [FIRST4, f"{v4('001c', '06', '2001')} {'00' * 8}", SECOND4],
        [KNOWN4, flow4(6), KNOWN4],
    ),
    "beyond the largest datagram": (
        [FIRST4, f"{v4('002c', '11', '3fff')} {'00' * 24}", SECOND4],
        [KNOWN4, KNOWN4, LOST4],
    ),
    "tcp flags are the first one's alone": (
        [f"{v4('0028', '06', '2000')} {TCP} {'00' * 4}", f"{v4('0028', '06', '0003')} {TCP}"],
        [flow4(6, BOTH, 0x12), flow4(6, BOTH)],
    ),
    "ipv6 takes the first one's protocol": ([FIRST6, SECOND6, LAST6], [KNOWN6] * 3),
    "ipv6 first missing": ([SECOND6, LAST6], [LOST6] * 2),
    "ipv6 last ends it": ([FIRST6, LAST6, BEYOND6], [KNOWN6, KNOWN6, LOST6]),
    "ipv6 extensions count as seen": (
        [FIRST6, _fragment6("0009", "3c", "00" * 8), SECOND6],
        [KNOWN6, LOST6, LOST6],
    ),
    "ipv6 other id": (
        [FIRST6, _fragment6("0011", "3c", "00" * 8, "00000008"), SECOND6],
        [KNOWN6, LOST6, KNOWN6],
    ),
    "ipv6 protocol does not matter": (
        [FIRST6, _fragment6("0011", "06", "00" * 8), LAST6],
        [KNOWN6] * 3,
    ),
    "ipv6 atomic between": (
        [FIRST6, _fragment6("0000", "06", TCP), SECOND6],
        [KNOWN6, flow6(6, BOTH, 0x12), KNOWN6],
    ),
    "ipv6 first without its transport header": (
        [_fragment6("0001", "3c", "1100010400000000"), _fragment6("0009", "3c", UDP)],
        [flow6(17), LOST6],
    ),
}

EXAMPLES: dict[str, tuple[list[bytes], list[Verdict]]] = {
    name: ([frame("0800" if ip[0] == "4" else "86dd", ip) for ip in packets], verdicts)
    for name, (packets, verdicts) in _SEQUENCES.items()
}
"""Frames in their order, and their verdicts, by name."""
