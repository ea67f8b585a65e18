# SPDX-License-Identifier: MIT
"""Hypothesis strategies for syntax trees of filter expressions."""

from ipaddress import IPv4Network, IPv6Network
from typing import Final

from hypothesis import strategies as st

from trafficmon.filter.nodes import (
    And,
    Direction,
    Family,
    Glob,
    Host,
    Ident,
    Node,
    Not,
    Or,
    Port,
    Proto,
    Side,
    Term,
    User,
)

# Few values, so that the rows of a small table are hit about as often as missed.
ADDRESSES_4: Final = ("0.0.0.0", "10.0.0.1", "10.0.0.2", "10.1.0.1", "255.255.255.255")
ADDRESSES_6: Final = ("::", "a00:1::", "2001:db8::1", "2001:db8::2", "2001:db8:0:0:1::1")
PORTS: Final = (0, 53, 80, 443, 65535)
PROTOCOLS: Final = (0, 6, 17, 39, 61, 107, 255)
TEXTS: Final = ("a", "ab", "b/a", "*", "a b", "or", "it's", 'say "a"', "\\", "nginx\u202e")
NUMBERS: Final = (0, 1, 1000, 2**31 - 1)

_SIDES: Final[tuple[Side, ...]] = ("either", "local", "remote")
_SIDE = st.sampled_from(_SIDES)


def _network(address: str, prefix_length: int) -> IPv4Network | IPv6Network:
    if ":" in address:
        return IPv6Network((address, prefix_length), strict=False)
    return IPv4Network((address, prefix_length), strict=False)


_NETWORKS = st.one_of(
    st.builds(_network, st.sampled_from(ADDRESSES_4), st.sampled_from((0, 1, 8, 15, 31, 32))),
    st.builds(_network, st.sampled_from(ADDRESSES_6), st.sampled_from((0, 3, 64, 65, 127, 128))),
)


def _port_range(one: int, other: int, side: Side) -> Port:
    return Port(min(one, other), max(one, other), side)


def terms(texts: st.SearchStrategy[str]) -> st.SearchStrategy[Term]:
    """Terms of every kind, with names and patterns out of `texts`."""
    port = st.sampled_from(PORTS)
    number = st.sampled_from(NUMBERS)
    return st.one_of(
        st.builds(Host, _NETWORKS, _SIDE),
        st.builds(lambda port, side: Port(port, port, side), port, _SIDE),
        st.builds(_port_range, port, port, _SIDE),
        st.builds(Proto, st.sampled_from(PROTOCOLS)),
        st.builds(Family, st.sampled_from((4, 6))),
        st.builds(Direction, st.sampled_from(("in", "out"))),
        st.builds(Glob, st.sampled_from(("iface", "cgroup", "comm")), texts),
        st.builds(User, texts.filter(lambda text: not (text.isascii() and text.isdigit()))),
        st.builds(Ident, st.sampled_from(("uid", "pid")), number),
    )


def nodes(texts: st.SearchStrategy[str]) -> st.SearchStrategy[Node]:
    """Trees of terms, `and`, `or` and `not`."""

    def grown(node: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
        operands = st.lists(node, min_size=2, max_size=4).map(tuple)
        return st.builds(Not, node) | st.builds(And, operands) | st.builds(Or, operands)

    return st.recursive(terms(texts), grown, max_leaves=8)
