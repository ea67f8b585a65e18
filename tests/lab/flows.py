# SPDX-License-Identifier: MIT
"""What a capture holds, flow by flow, as tshark dissects it: a second opinion on every counter.

Flows are of the outermost IP header and are seen from the host that captured: of an incoming frame
the local end is the destination, of an outgoing one the source. Bytes are those of whole frames.
"""

import functools
import os
import socket
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from tests.lab.requirements import LabError, require_programs

Direction = Literal["in", "out"]
Ports = tuple[int, int] | tuple[None, None]

_PORT_PROTOCOLS = {6: "tcp", 17: "udp", 33: "dccp", 132: "sctp"}
_PORT_FIELDS = ("srcport", "dstport")
# The IPv6 extension headers that are walked through, and tshark's field for the number after each.
_EXTENSION_NEXT = {
    0: "ipv6.hopopts.nxt",
    43: "ipv6.routing.nxt",
    44: "ipv6.fraghdr.nxt",
    51: "ah.next_header",
    60: "ipv6.dstopts.nxt",
}
_FRAGMENT = 44
# What may stand before the outermost IP header, by tshark's names; after others IP makes no flow.
_LINK_LAYERS = frozenset({"eth", "ethertype", "ieee8021ad", "vlan", "pppoes", "ppp", "mpls"})
_TRANSPORTS = frozenset({*_PORT_PROTOCOLS.values(), "icmp", "icmpv6"})
_FIELDS = (
    *("frame.len", "frame.protocols"),
    *("ip.src", "ip.dst", "ip.proto", "ip.id", "ip.flags.mf", "ip.frag_offset"),
    *("ipv6.src", "ipv6.dst", "ipv6.nxt"),
    *("ipv6.fraghdr.ident", "ipv6.fraghdr.more", "ipv6.fraghdr.offset"),
    *_EXTENSION_NEXT.values(),
    *(f"{name}.{port}" for name in _PORT_PROTOCOLS.values() for port in _PORT_FIELDS),
)
_ONE_FRAME_AT_A_TIME = (
    "ip.defragment:FALSE",
    "ipv6.defragment:FALSE",
    "tcp.desegment_tcp_streams:FALSE",
    "tcp.analyze_sequence_numbers:FALSE",
    "sctp.reassembly:FALSE",
)


@dataclass(frozen=True, slots=True)
class FlowKey:
    """A flow; ports are None for other protocols, and for fragments whose first was not seen."""

    version: int
    protocol: int
    local_addr: str
    local_port: int | None
    remote_addr: str
    remote_port: int | None


class Count(NamedTuple):
    """Frames and the sum of their lengths in bytes, Ethernet header included, FCS not."""

    packets: int
    bytes: int


_NOTHING = Count(0, 0)


@dataclass(slots=True)
class Tally:
    """The sums of one capture: every frame is either in one of `flows` or in `non_ip`.

    `non_ip` has the frames without an IP header, and those with one that tshark cannot read.
    """

    flows: dict[FlowKey, Count] = field(default_factory=dict)
    non_ip: Count = _NOTHING

    @property
    def total(self) -> Count:
        """All frames."""
        packets, sizes = zip(self.non_ip, *self.flows.values(), strict=True)
        return Count(sum(packets), sum(sizes))


class _Datagram(NamedTuple):
    """What the fragments of one datagram have in common."""

    version: int
    protocol: int
    source: str
    destination: str
    identification: str


class _Transport(NamedTuple):
    """The protocol after the IP header, and its source and destination port."""

    protocol: int
    ports: Ports


class _Frame(NamedTuple):
    """The outermost IP packet of a frame; `datagram` is None unless it is a fragment."""

    version: int
    source: str
    destination: str
    transport: _Transport
    datagram: _Datagram | None
    is_later_fragment: bool


def tally(pcap: Path, direction: Direction) -> Tally:
    """Sums up the frames of `pcap`, all of which went in that direction, by flow."""
    packets: Counter[FlowKey | None] = Counter()
    sizes: Counter[FlowKey | None] = Counter()
    firsts: dict[_Datagram, _Transport] = {}
    for values in dissect(pcap, _FIELDS):
        record = dict(zip(_FIELDS, values, strict=True))
        frame = _outermost(record)
        key = None if frame is None else _key(frame, _transport(frame, firsts), direction)
        packets[key] += 1
        sizes[key] += int(record["frame.len"])
    flows = {key: Count(count, sizes[key]) for key, count in packets.items() if key is not None}
    return Tally(flows, Count(packets[None], sizes[None]))


def dissect(pcap: Path, fields: Sequence[str], display_filter: str = "") -> Iterator[list[str]]:
    """Yields the `fields` of each frame that passes the filter, as tshark prints them.

    A field that occurs several times in a frame has its values joined by commas, the outermost
    first; "" is absent.
    """
    require_programs("tshark")
    argv = ["tshark", "-n", "-r", str(pcap)]
    argv += ["-T", "fields", "-E", "separator=/t", "-E", "occurrence=a"]
    argv += [word for preference in _ONE_FRAME_AT_A_TIME for word in ("-o", preference)]
    argv += [word for name in fields for word in ("-e", name)]
    argv += ["-Y", display_filter] if display_filter else []
    with (
        tempfile.TemporaryDirectory(prefix="tmlab-") as home,
        tempfile.TemporaryFile("w+") as lines,
    ):
        # No one's own Wireshark profile shall change what a frame is.
        environment = os.environ | {"HOME": home, "WIRESHARK_CONFIG_DIR": home, "LC_ALL": "C.UTF-8"}
        result = subprocess.run(
            argv, stdout=lines, stderr=subprocess.PIPE, text=True, env=environment, check=False
        )
        if result.returncode != 0:
            raise LabError(
                f"tshark ended with status {result.returncode} on {pcap}: {result.stderr[-2000:]}"
            )
        lines.seek(0)
        for line in lines:
            yield line.rstrip("\n").split("\t")


def _outermost(record: Mapping[str, str]) -> _Frame | None:
    """The outermost IP packet of a frame, None when there is none."""
    before = ""
    for layer in record["frame.protocols"].split(":"):
        # tshark 4.4 leaves out the name of the IP layer after MPLS labels
        if before == "mpls" and layer in _TRANSPORTS:
            layer = "ip" if record["ip.dst"] else "ipv6"  # noqa: PLW2901
        if layer == "ip":
            return _ipv4(record) if record["ip.dst"] else None
        if layer == "ipv6":
            return _ipv6(record) if record["ipv6.dst"] else None
        if layer not in _LINK_LAYERS:
            return None
        before = layer
    return None


def _ipv4(record: Mapping[str, str]) -> _Frame:
    source, destination, protocol = (
        _first(record[name]) for name in ("ip.src", "ip.dst", "ip.proto")
    )
    is_later = int(_first(record["ip.frag_offset"])) != 0
    number = int(protocol)
    datagram = None
    if is_later or _is_set(record["ip.flags.mf"]):
        datagram = _Datagram(4, number, source, destination, _first(record["ip.id"]))
    return _Frame(4, source, destination, _own_transport(record, number), datagram, is_later)


def _ipv6(record: Mapping[str, str]) -> _Frame:
    source, destination = (_address(_first(record[name])) for name in ("ipv6.src", "ipv6.dst"))
    number, is_fragment = _walk_extensions(record)
    is_later = is_fragment and int(_first(record["ipv6.fraghdr.offset"])) != 0
    datagram = None
    if is_later or (is_fragment and _is_set(record["ipv6.fraghdr.more"])):
        # The identification alone distinguishes IPv6 datagrams: fragments may differ in protocol.
        datagram = _Datagram(6, 0, source, destination, _first(record["ipv6.fraghdr.ident"]))
    return _Frame(6, source, destination, _own_transport(record, number), datagram, is_later)


def _walk_extensions(record: Mapping[str, str]) -> tuple[int, bool]:
    """The protocol after the extension headers, and whether a fragment header is one of them."""
    following = {number: iter(_integers(record[name])) for number, name in _EXTENSION_NEXT.items()}
    number = int(_first(record["ipv6.nxt"]))
    is_fragment = False
    while number in following:
        is_fragment = is_fragment or number == _FRAGMENT
        after = next(following[number], None)
        if after is None:  # tshark shows no such header: the frame ends before
            break
        is_first_part = number != _FRAGMENT or int(_first(record["ipv6.fraghdr.offset"])) == 0
        number = after
        if not is_first_part:
            break
    return number, is_fragment


def _own_transport(record: Mapping[str, str], protocol: int) -> _Transport:
    """The protocol with the ports that are in the frame itself."""
    name = _PORT_PROTOCOLS.get(protocol)
    source, destination = (record[f"{name}.{port}"] if name else "" for port in _PORT_FIELDS)
    if not source or not destination:
        return _Transport(protocol, (None, None))
    return _Transport(protocol, (int(_first(source)), int(_first(destination))))


def _transport(frame: _Frame, firsts: dict[_Datagram, _Transport]) -> _Transport:
    """The protocol and ports of a frame; a later fragment has those of its first, if seen."""
    if frame.datagram is None:
        return frame.transport
    if frame.is_later_fragment:
        return firsts.get(frame.datagram, frame.transport)
    if frame.transport.ports == (None, None):
        firsts.pop(frame.datagram, None)
    else:
        firsts[frame.datagram] = frame.transport
    return frame.transport


def _key(frame: _Frame, transport: _Transport, direction: Direction) -> FlowKey:
    source, destination = zip((frame.source, frame.destination), transport.ports, strict=True)
    local, remote = (destination, source) if direction == "in" else (source, destination)
    return FlowKey(frame.version, transport.protocol, *local, *remote)


def _first(values: str) -> str:
    return values.partition(",")[0]


def _integers(values: str) -> list[int]:
    return [int(value, 0) for value in values.split(",") if value]


def _is_set(values: str) -> bool:
    return _first(values) in {"1", "True"}  # tshark changed its mind between releases


@functools.lru_cache(maxsize=65536)
def _address(text: str) -> str:
    """An IPv6 address in the form that the C library prints."""
    return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, text))
