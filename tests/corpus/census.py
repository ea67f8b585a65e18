# SPDX-License-Identifier: MIT
"""What a corpus holds: how many frames there are of each class of verdict."""

from collections import Counter
from collections.abc import Iterable, Iterator

from tests.corpus.reference import Verdict

_PROTOCOL_NAMES = {1: "icmp", 6: "tcp", 17: "udp", 33: "dccp", 58: "icmpv6", 132: "sctp"}

CLASSES = (
    "flow",
    "non_ip",
    "broken",
    "broken_ipv4",
    "broken_ipv6",
    "ipv4",
    "ipv6",
    "with_ports",
    "without_ports",
    "tcp_flags",
    "tcp_without_flags",
    "first_fragment",
    "later_fragment",
    "later_fragment_with_ports",
    "later_fragment_without_ports",
    *_PROTOCOL_NAMES.values(),
    "other_protocol",
    "port_protocol_without_ports",
)
"""The names of all classes; a frame is of several."""


def census(verdicts: Iterable[Verdict]) -> Counter[str]:
    """Count the verdicts of each class, and all of them as "frames"."""
    counted: Counter[str] = Counter()
    for verdict in verdicts:
        counted["frames"] += 1
        counted.update(classes(verdict))
    return counted


def classes(verdict: Verdict) -> Iterator[str]:
    """Yield the classes that one verdict belongs to."""
    yield verdict.kind
    if verdict.kind == "broken":
        yield f"broken_ipv{verdict.version}"
    if verdict.key is None:
        return
    key = verdict.key
    ports = "without_ports" if key.local_port is None else "with_ports"
    yield ports
    yield f"ipv{key.version}"
    yield _PROTOCOL_NAMES.get(key.protocol, "other_protocol")
    if verdict.fragment:
        yield f"{verdict.fragment}_fragment"
    if verdict.fragment == "later":
        yield f"later_fragment_{ports}"
    elif key.protocol in (6, 17, 33, 132) and key.local_port is None:
        yield "port_protocol_without_ports"
    elif key.protocol == 6:
        yield "tcp_flags" if verdict.tcp_flags else "tcp_without_flags"
