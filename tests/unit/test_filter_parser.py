# SPDX-License-Identifier: MIT
"""What an expression means: terms, precedence, values, and the way back to text."""

import socket
from ipaddress import IPv4Network, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.filter_strategies import TEXTS, nodes
from trafficmon.filter.errors import FilterError
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
    User,
    unparse,
)
from trafficmon.filter.parser import parse

A, B, C = Ident("uid", 1), Ident("uid", 2), Ident("uid", 3)


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("host 10.0.0.1", Host(IPv4Network("10.0.0.1/32"))),
        ("net 10.0.0.0/8", Host(IPv4Network("10.0.0.0/8"))),
        ("host 10.1.2.3/8", Host(IPv4Network("10.0.0.0/8"))),
        ("remote host 2001:DB8::/32", Host(IPv6Network("2001:db8::/32"), "remote")),
        ("local net ::1", Host(IPv6Network("::1/128"), "local")),
        ("host ::ffff:10.0.0.1", Host(IPv6Network("::ffff:a00:1/128"))),
        ("port 443", Port(443, 443)),
        ("local port 00022", Port(22, 22, "local")),
        ("remote port 8000-8100", Port(8000, 8100, "remote")),
        ("port 0-65535", Port(0, 65535)),
        ("proto udp", Proto(17)),
        ("proto IPv6-ICMP", Proto(58)),
        ("proto tp++ and proto a/n", And((Proto(39), Proto(107)))),
        ("proto 255", Proto(255)),
        ("iface eth*", Glob("iface", "eth*")),
        ("dir IN", Direction("in")),
        ("dir out", Direction("out")),
        ("user alice", User("alice")),
        (r"user DOMAIN\alice", User(r"DOMAIN\alice")),
        ("user 1000", Ident("uid", 1000)),
        ("uid 4294967295", Ident("uid", 2**32 - 1)),
        ("pid 0", Ident("pid", 0)),
        ("comm nginx", Glob("comm", "nginx")),
        ("comm systemd-resolv*", Glob("comm", "systemd-resolv*")),
        ("cgroup /system.slice/*", Glob("cgroup", "/system.slice/*")),
        (r"cgroup /dev-disk-by\x2did.swap", Glob("cgroup", r"/dev-disk-by\x2did.swap")),
        ("ip", Family(4)),
        ("IP6", Family(6)),
    ],
)
def test_terms(text: str, node: Node) -> None:
    assert parse(text).root == node


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ('comm "a b"', "a b"),
        ("comm 'a b'", "a b"),
        ("""comm "it's" """, "it's"),
        (r"comm 'it\'s'", "it's"),
        (r'comm "a\\b"', r"a\b"),
        (r'comm "a\x2db"', r"a\x2db"),
        ('comm "(sd-pam)"', "(sd-pam)"),
        ('comm "or"', "or"),
        ("comm port", "port"),
        ("comm [!a-c]*", "[!a-c]*"),
        ("comm a\u00a0", "a"),
    ],
)
def test_quotes_and_bare_words(text: str, pattern: str) -> None:
    assert parse(text).root == Glob("comm", pattern)


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("uid 1 or uid 2 and uid 3", Or((A, And((B, C))))),
        ("uid 1 and uid 2 or uid 3", Or((And((A, B)), C))),
        ("(uid 1 or uid 2) and uid 3", And((Or((A, B)), C))),
        ("not uid 1 and uid 2", And((Not(A), B))),
        ("not (uid 1 and uid 2)", Not(And((A, B)))),
        ("not not uid 1", Not(Not(A))),
        ("uid 1 and uid 2 and uid 3", And((A, B, C))),
        ("uid 1 and (uid 2 and uid 3)", And((A, And((B, C))))),
        ("((uid 1))", A),
        ("!uid 1&&!(uid 2||uid 3)", And((Not(A), Not(Or((B, C)))))),
        ("NOT UID 1 AND Uid 2 oR uid 3", Or((And((Not(A), B)), C))),
        ("uid 1\n\tand\r\nuid 2", And((A, B))),
    ],
)
def test_precedence_and_grouping(text: str, node: Node) -> None:
    assert parse(text).root == node


def test_a_service_name_is_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getservbyname", {"https": 443, "x-1": 7}.__getitem__)

    assert parse("port https").root == Port(443, 443)
    assert parse("remote port x-1").root == Port(7, 7, "remote")


def test_an_unknown_service_is_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(name: str) -> int:
        raise OSError("service/proto not found")

    monkeypatch.setattr(socket, "getservbyname", unknown)

    with pytest.raises(FilterError, match="unknown service 'htps': write a port"):
        parse("port htps")


def test_spans_point_at_what_was_read() -> None:
    text = "port 1 and not (local host ::1 or ip)"
    root = parse(text).root
    assert isinstance(root, And)
    negation = root.operands[1]
    assert isinstance(negation, Not)
    assert isinstance(negation.operand, Or)
    host, family = negation.operand.operands

    assert [text[slice(*node.span)] for node in (root.operands[0], host, family)] == [
        "port 1",
        "local host ::1",
        "ip",
    ]


@given(nodes(st.sampled_from(TEXTS)))
def test_what_is_written_reads_back_the_same(node: Node) -> None:
    assert parse(unparse(node)).root == node


@given(
    st.text(min_size=1, max_size=15)
    | st.text(alphabet="ab!=&|()'\"\\ \t*[", min_size=1, max_size=5)
    | st.sampled_from(("AND", "or", "Not", "=", "==", "!", "!a", " ", "'", '\\"'))
)
def test_any_text_can_be_a_pattern(pattern: str) -> None:
    node = Glob("cgroup", pattern)

    assert parse(unparse(node)).root == node


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("NET 10.0.0.0/8 && ! PORT 80", "host 10.0.0.0/8 and not port 80"),
        ("(port 1-2)", "port 1-2"),
        ("local port 443 or proto 58 and ip6", "local port 443 or (proto icmpv6 and ip6)"),
        ("comm ' '", 'comm " "'),
    ],
)
def test_unparse_is_canonical(text: str, canonical: str) -> None:
    assert unparse(parse(text).root) == canonical
