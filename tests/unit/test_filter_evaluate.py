# SPDX-License-Identifier: MIT
"""An expression applied to rows: against a slow evaluator that goes row by row."""

import time
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.unit.filter_strategies import (
    ADDRESSES_4,
    ADDRESSES_6,
    NUMBERS,
    PORTS,
    PROTOCOLS,
    nodes,
)
from trafficmon.filter.columns import FilterColumns
from trafficmon.filter.errors import FilterError
from trafficmon.filter.evaluate import matches, terms_of
from trafficmon.filter.nodes import (
    And,
    Direction,
    Expression,
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
    User,
)
from trafficmon.filter.parser import parse

Address = IPv4Address | IPv6Address


@dataclass(frozen=True)
class Row:
    """What a user would see of a flow; None is null."""

    local: Address | None = None
    remote: Address | None = None
    local_port: int | None = None
    remote_port: int | None = None
    protocol: int = 6
    rx_packets: int = 0
    tx_packets: int = 0
    interface: str | None = None
    user: str | None = None
    comm: str | None = None
    cgroup: str | None = None
    uid: int | None = None
    pid: int | None = None


def glob_matches(pattern: str, text: str) -> bool:
    """`*` and `?` alone, by definition rather than by regular expression."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(glob_matches(pattern[1:], text[at:]) for at in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and glob_matches(pattern[1:], text[1:])


def row_matches(node: Node, row: Row) -> bool:  # noqa: C901, PLR0911 -- one case for each node
    """The meaning of an expression, spelt out."""
    match node:
        case Not(operand):
            return not row_matches(operand, row)
        case And(operands):
            return all(row_matches(operand, row) for operand in operands)
        case Or(operands):
            return any(row_matches(operand, row) for operand in operands)
        case Host(network, side):
            addresses = {"local": [row.local], "remote": [row.remote]}
            requested = addresses.get(side, [row.local, row.remote])
            return any(address is not None and address in network for address in requested)
        case Port(low, high, side):
            ports = {"local": [row.local_port], "remote": [row.remote_port]}
            queried_ports = ports.get(side, [row.local_port, row.remote_port])
            return any(port is not None and low <= port <= high for port in queried_ports)
        case Proto(number):
            return row.protocol == number
        case Family(version):
            return version in {a.version for a in (row.local, row.remote) if a is not None}
        case Direction(towards):
            return (row.rx_packets if towards == "in" else row.tx_packets) > 0
        case Glob(column, pattern):
            texts = {"iface": row.interface, "comm": row.comm, "cgroup": row.cgroup}
            text = texts[column]
            return text is not None and glob_matches(pattern, text)
        case User(name):
            return row.user == name
        case Ident(column, number):
            return (row.uid if column == "uid" else row.pid) == number


def address_column(addresses: list[Address | None]) -> NDArray[np.uint8]:
    packed = [(a.packed if a is not None else b"").ljust(16, b"\0") for a in addresses]
    return np.frombuffer(b"".join(packed), np.uint8).reshape(-1, 16)


def columns_of(rows: list[Row]) -> FilterColumns:
    def numbers(name: str, dtype: type[np.integer[Any]]) -> NDArray[np.integer[Any]]:
        values = [getattr(row, name) for row in rows]
        return np.array([-1 if value is None else value for value in values], dtype)

    def texts(name: str) -> NDArray[np.object_]:
        return np.array([getattr(row, name) for row in rows], np.object_)

    return FilterColumns(
        table="flows",
        length=len(rows),
        local_addr=address_column([row.local for row in rows]),
        remote_addr=address_column([row.remote for row in rows]),
        has_local_addr=np.array([row.local is not None for row in rows], np.bool_),
        has_remote_addr=np.array([row.remote is not None for row in rows], np.bool_),
        is_ipv6=np.array(
            [isinstance(row.local or row.remote, IPv6Address) for row in rows], np.bool_
        ),
        local_port=numbers("local_port", np.int32),
        remote_port=numbers("remote_port", np.int32),
        protocol=numbers("protocol", np.uint8),
        rx_packets=numbers("rx_packets", np.uint64),
        tx_packets=numbers("tx_packets", np.uint64),
        uid=numbers("uid", np.int64),
        pid=numbers("pid", np.int64),
        interface=texts("interface"),
        user=texts("user"),
        comm=texts("comm"),
        cgroup=texts("cgroup"),
    )


TEXTS = ("a", "ab", "b/a", "abc", "")
PATTERNS = ("a", "ab", "*", "a*", "*a", "?", "??*", "*/?", "*b*", "a?c")


@st.composite
def some_rows(draw: st.DrawFn) -> list[Row]:
    text = st.none() | st.sampled_from(TEXTS)
    number = st.none() | st.sampled_from(NUMBERS)
    port = st.none() | st.sampled_from(PORTS)
    row = st.sampled_from((ADDRESSES_4, ADDRESSES_6)).flatmap(
        lambda family: st.builds(
            Row,
            local=st.none() | st.sampled_from(family).map(ip_address),
            remote=st.none() | st.sampled_from(family).map(ip_address),
            local_port=port,
            remote_port=port,
            protocol=st.sampled_from(PROTOCOLS),
            rx_packets=st.sampled_from((0, 1, 2**64 - 1)),
            tx_packets=st.sampled_from((0, 1, 2**64 - 1)),
            interface=text,
            user=text,
            comm=text,
            cgroup=text,
            uid=number,
            pid=number,
        )
    )
    return draw(st.lists(row, max_size=12))


@given(some_rows(), nodes(st.sampled_from(PATTERNS)))
def test_all_rows_at_once_are_as_row_by_row(rows: list[Row], node: Node) -> None:
    mask = matches(Expression("", node), columns_of(rows))

    assert mask.dtype == np.bool_
    assert mask.tolist() == [row_matches(node, row) for row in rows]


@pytest.mark.parametrize("side", ["either", "local", "remote"])
@pytest.mark.parametrize("addresses", [ADDRESSES_4, ADDRESSES_6])
def test_every_prefix_length_on_every_side(side: Side, addresses: tuple[str, ...]) -> None:
    ends = [ip_address(text) for text in (*ADDRESSES_4, *ADDRESSES_6)]
    rows = [Row(one, other) for one in ends for other in ends if one.version == other.version]
    columns = columns_of(rows)

    for text in addresses:
        for length in range(ip_address(text).max_prefixlen + 1):
            node = Host(ip_network(f"{text}/{length}", strict=False), side)
            expected = [row_matches(node, row) for row in rows]
            assert matches(Expression("", node), columns).tolist() == expected


ROWS = [
    Row(ip_address("10.0.0.1"), ip_address("192.0.2.7"), 443, 50000, 6, 1, 0, "eth0", "alice",
        "nginx", "/system.slice/nginx.service", 1000, 42),
    Row(ip_address("2001:db8::1"), ip_address("2001:db8::2"), 50001, 53, 17, 0, 2, "eth1", None,
        None, None, None, None),
    Row(ip_address("10.0.0.1"), ip_address("192.0.2.7"), None, None, 1, 1, 1, None, "bob",
        "[a]", "/a\\x2db", 1001, 43),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("host 192.0.2.7", [0, 2]),
        ("local host 192.0.2.7", []),
        ("remote host 192.0.2.0/24", [0, 2]),
        ("host 2001:db8::/32 or port 443", [0, 1]),
        ("host 0.0.0.0/0", [0, 2]),
        ("host ::/0", [1]),
        ("remote port 53", [1]),
        ("not port 0-65535", [2]),
        ("proto icmp", [2]),
        ("iface eth*", [0, 1]),
        ("iface ETH0", []),
        ("dir in", [0, 2]),
        ("dir in and not dir out", [0]),
        ("user alice or user 1001", [0, 2]),
        ("user Alice", []),
        ("comm ngin[x]", [0]),
        ("comm [[]a]", [2]),
        ("not comm nginx", [1, 2]),
        ("cgroup /system.slice/*", [0]),
        ("cgroup /system.slice", []),
        (r"cgroup /a\x2db", [2]),
        ("ip", [0, 2]),
        ("ip6", [1]),
    ],
)
def test_examples(text: str, expected: list[int]) -> None:
    mask = matches(parse(text), columns_of(ROWS))

    assert np.flatnonzero(mask).tolist() == expected


def test_an_ipv4_address_is_not_found_in_the_head_of_an_ipv6_address() -> None:
    rows = [Row(local=ip_address("a00:1::"))]  # begins with the bytes 10, 0, 0, 1

    assert not matches(parse("host 10.0.0.1 or host 10.0.0.0/8"), columns_of(rows)).any()


def test_null_matches_no_term() -> None:
    columns = columns_of([Row()])
    terms = ["host 0.0.0.0/0", "host ::/0", "port 0-65535", "ip", "ip6", "iface *", "comm *"]
    terms += ["cgroup *", "user root", "uid 4294967295", "pid 0", "dir in", "dir out"]

    assert [term for term in terms if matches(parse(term), columns).any()] == []


def test_a_family_is_known_by_either_address() -> None:
    rows = [Row(local=ip_address("::1")), Row(remote=ip_address("10.0.0.1"))]

    assert matches(parse("ip6"), columns_of(rows)).tolist() == [True, False]
    assert matches(parse("ip"), columns_of(rows)).tolist() == [False, True]


def test_a_family_is_known_everywhere_when_one_address_is_never_null() -> None:
    columns = FilterColumns(
        table="sockets",
        length=1,
        local_addr=np.zeros((1, 16), np.uint8),
        remote_addr=np.zeros((1, 16), np.uint8),
        has_remote_addr=np.zeros(1, np.bool_),
        is_ipv6=np.ones(1, np.bool_),
    )

    assert matches(parse("ip6 and local host ::"), columns).tolist() == [True]
    assert matches(parse("remote host ::/0"), columns).tolist() == [False]


def test_views_into_a_structured_array_and_strings_will_do() -> None:
    layout = [("pad", "u1"), ("addr", "u1", 16), ("port", "u2"), ("comm", "U15")]
    records = np.zeros(2, np.dtype(layout))
    records["addr"][1, :4] = 10, 0, 0, 1
    records["port"] = 80, 443
    records["comm"] = "nginx", "curl"
    records.flags.writeable = False
    columns = FilterColumns(
        table="mine",
        length=2,
        remote_addr=records["addr"],
        is_ipv6=np.zeros(2, np.bool_),
        remote_port=records["port"],
        comm=records["comm"],
    )

    assert matches(parse("host 10.0.0.1 and port 443 and comm c*"), columns).tolist() == [0, 1]
    assert matches(parse("not (ip6 or port 443)"), columns).tolist() == [True, False]


def test_addresses_in_reversed_memory_order_will_do() -> None:
    packed = np.frombuffer(IPv6Address("2001:db8::1").packed[::-1], np.uint8)[::-1]
    columns = FilterColumns(
        table="mine",
        length=1,
        local_addr=packed.reshape(1, 16),
        is_ipv6=np.ones(1, np.bool_),
    )

    assert matches(parse("host 2001:db8::1"), columns).tolist() == [True]


def test_the_mask_is_new_and_the_columns_stay_as_they_are() -> None:
    columns = columns_of(ROWS)
    assert columns.is_ipv6 is not None
    before = columns.is_ipv6.copy()

    mask = matches(parse("not (ip6 and host ::/0) or ip6"), columns)
    mask[:] = False

    assert columns.is_ipv6.tolist() == before.tolist()


def test_a_term_a_table_cannot_answer_is_reported_with_what_it_has() -> None:
    columns = FilterColumns(
        table="protocols",
        length=0,
        protocol=np.zeros(0, np.uint8),
        interface=np.zeros(0, np.object_),
    )

    with pytest.raises(FilterError) as caught:
        matches(parse("proto tcp or not local host 10.0.0.1"), columns)

    assert str(caught.value) == (
        "table 'protocols' cannot be filtered by 'local host' (choose from proto, iface)\n"
        "proto tcp or not local host 10.0.0.1\n"
        "                 ^^^^^^^^^^^^^^^^^^^"
    )


ALL_TERMS = ["host ::1", "port 1", "proto 1", "iface a", "dir in", "dir out", "user a", "uid 1"]
ALL_TERMS += ["pid 1", "comm a", "cgroup a", "ip", "ip6", "local port 1", "remote host ::1"]


@pytest.mark.parametrize("term", ALL_TERMS)
def test_a_table_without_columns_answers_no_term(term: str) -> None:
    with pytest.raises(FilterError, match="'dns' cannot be filtered by"):
        matches(parse(term), FilterColumns(table="dns", length=3))


def test_a_side_a_table_does_not_have() -> None:
    columns = FilterColumns(
        table="hosts",
        length=1,
        remote_addr=address_column([ip_address("::1")]),
        is_ipv6=np.ones(1, np.bool_),
        local_port=np.array([53], np.int32),
    )

    assert terms_of(columns) == ["remote host", "local port", "ip", "ip6"]
    assert matches(parse("host ::1 and port 53"), columns).tolist() == [True]
    for text in ("local host ::1", "remote port 53"):
        with pytest.raises(FilterError, match="choose from remote host, local port, ip, ip6"):
            matches(parse(text), columns)


@pytest.mark.parametrize(
    ("column", "array"),
    [
        ("uid", np.zeros(2, np.int64)),
        ("uid", np.zeros(3, np.float64)),
        ("comm", np.zeros(3, "S15")),
        ("is_ipv6", np.zeros(3, np.uint8)),
        ("local_addr", np.zeros((3, 4), np.uint8)),
        ("local_addr", np.zeros((3, 16), np.int8)),
    ],
)
def test_columns_that_would_answer_wrongly_are_refused(column: str, array: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match=f"column {column} is"):
        FilterColumns(table="flows", length=3, **{column: array})


def test_addresses_without_their_family_are_refused() -> None:
    with pytest.raises(ValueError, match="without is_ipv6"):
        FilterColumns(table="flows", length=1, local_addr=np.zeros((1, 16), np.uint8))


@pytest.mark.parametrize(
    "pattern", ["*a" * 2000, "[" * 4000, "[a-" * 1000, "?" * 4000, "[!]" * 900]
)
def test_a_hostile_pattern_does_not_take_forever(pattern: str) -> None:
    texts = np.array(["a" * 4000 + "b", "[", None], np.object_)
    columns = FilterColumns(table="cgroups", length=3, cgroup=texts)
    started = time.perf_counter()

    matches(parse(f'cgroup "{pattern}"'), columns)

    assert time.perf_counter() - started < 5


@pytest.mark.bench
def test_a_million_rows_take_less_than_a_frame() -> None:
    length = 1_000_000
    random = np.random.default_rng(0)
    columns = FilterColumns(
        table="flows",
        length=length,
        local_addr=random.integers(0, 4, (length, 16), np.uint8),
        remote_addr=random.integers(0, 4, (length, 16), np.uint8),
        is_ipv6=random.random(length) < 0.3,
        local_port=random.integers(-1, 65536, length, np.int32),
        remote_port=random.integers(-1, 65536, length, np.int32),
    )
    expression = parse("host 1.2.0.0/16 and port 443")
    spans_s = []
    for _ in range(5):
        started = time.perf_counter()
        matches(expression, columns)
        spans_s.append(time.perf_counter() - started)

    assert min(spans_s) < 0.06
