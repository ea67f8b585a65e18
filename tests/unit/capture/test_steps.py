# SPDX-License-Identifier: MIT
"""Steps for the kernel against the evaluation of the same expression on columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trafficmon.capture.steps import steps_of
from trafficmon.errors import UsageError
from trafficmon.events.endpoints import endpoints_of
from trafficmon.events.event import Owner, PacketEvent
from trafficmon.events.select import matching
from trafficmon.filter.parser import parse
from trafficmon.layout import MATCH_STEPS, SAMPLE, FlowFlag, MatchKind, MatchSide

NAMES = {0: "eth0", 1: "wlan0"}
SLOTS = {name: slot for slot, name in NAMES.items()}
OWNERS = [
    {"uid": 0, "user": "root", "pid": 1, "comm": "init", "cgroup": "/"},
    {"uid": 1000, "user": "alice", "pid": 42, "comm": "nginx", "cgroup": "/a"},
    {"uid": None, "user": None, "pid": None, "comm": None, "cgroup": None},
]
CGROUPS = {"/": 1, "/a": 7}


def run(records: Any, head: Any, owner: dict[str, Any]) -> bool:
    """bpf/events/capture_filter.bpf.h in Python."""
    stack = [True]
    for step in records:
        match MatchKind(int(step["kind"])):
            case MatchKind.END:
                break
            case MatchKind.NOT:
                stack.append(not stack.pop())
            case MatchKind.AND:
                stack.append(stack.pop() & stack.pop())
            case MatchKind.OR:
                stack.append(stack.pop() | stack.pop())
            case _:
                stack.append(term(step, head, owner))
    return stack[-1]


def term(step: Any, head: Any, owner: dict[str, Any]) -> bool:
    key, kind = head["key"], MatchKind(int(step["kind"]))
    is_ip = bool(key["flags"] & (FlowFlag.IPV4 | FlowFlag.IPV6))
    sides = [
        s
        for s, bit in (("local", MatchSide.LOCAL), ("remote", MatchSide.REMOTE))
        if step["sides"] & bit
    ]
    if kind == MatchKind.TRUE:
        return True
    if kind == MatchKind.HOST:
        words = [np.frombuffer(key[f"{s}_addr"].tobytes(), np.uint64) for s in sides]
        within = any(((w & step["mask"]) == step["address"]).all() for w in words)
        return bool(key["flags"] & step["family"]) and within
    if kind == MatchKind.PORT:
        ports = [int(key[f"{s}_port_be"].byteswap()) for s in sides]
        has = bool(key["flags"] & FlowFlag.PORTS)
        return has and any(step["low"] <= port <= step["high"] for port in ports)
    plain = {
        MatchKind.PROTOCOL: is_ip and key["protocol"] == step["low"],
        MatchKind.FAMILY: bool(key["flags"] & step["low"]),
        MatchKind.DIRECTION: head["event"]["what"] == step["low"],
        MatchKind.INTERFACE: key["interface_id"] == step["low"],
        MatchKind.UID: owner["uid"] == step["low"],
        MatchKind.PID: owner["pid"] == step["low"],
        MatchKind.CGROUP: CGROUPS.get(owner["cgroup"]) == step["number"],
    }
    return bool(plain[kind])


@st.composite
def packets(draw: st.DrawFn) -> Any:
    head = np.zeros(1, SAMPLE)[0]
    key = head["key"]
    family = draw(st.sampled_from([0, FlowFlag.IPV4, FlowFlag.IPV6]))
    size = {0: 0, FlowFlag.IPV4: 4, FlowFlag.IPV6: 16}[family]
    for side in ("local", "remote"):
        raw = draw(st.sampled_from([b"\x0a\0\0\1", b"\x0a\0\0\2", b"\x20\1\r\xb8" + bytes(12)]))
        key[f"{side}_addr"] = np.frombuffer(raw[:size].ljust(16, b"\0"), np.uint8)
    if family and draw(st.booleans()):
        key["flags"] = FlowFlag.PORTS
        for side in ("local", "remote"):
            key[f"{side}_port_be"] = np.uint16(draw(st.sampled_from([0, 53, 443, 8080]))).byteswap()
    key["flags"] |= family
    key["protocol"] = draw(st.sampled_from([1, 6, 17])) if family else 0
    key["interface_id"] = draw(st.sampled_from([0, 1]))
    head["event"]["what"] = draw(st.booleans())
    return head


TERMS = [
    "host 10.0.0.1", "remote host 10.0.0.0/8", "local host 2001:db8::/32", "port 443", "port 50-60",
    "remote port 8080", "proto tcp", "proto udp", "ip", "ip6", "dir in", "dir out", "iface eth*",
    "iface none", "iface *", "uid 0", "user root", "pid 42", "comm nginx", "comm ng*", "cgroup /a",
    "cgroup /*", "cgroup /gone",
]  # fmt: skip
EXPRESSIONS = st.recursive(
    st.sampled_from(TERMS),
    lambda inner: st.one_of(
        inner.map(lambda e: f"not ({e})"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
            lambda parts: f"({parts[0]}) {parts[1]} ({parts[2]})"
        ),
    ),
    max_leaves=8,
)


def event_of(head: Any, owner: dict[str, Any]) -> PacketEvent:
    ends, slot, is_ip = endpoints_of(head["key"].tobytes())
    is_rx = bool(head["event"]["what"])
    return PacketEvent(0, "", ends if is_ip else None, Owner(**owner), NAMES[slot], is_rx, 0)


@given(EXPRESSIONS, packets(), st.sampled_from(OWNERS))
def test_the_kernel_lets_through_what_matches(text: str, head: Any, owner: dict[str, Any]) -> None:
    expression = parse(text)
    steps = steps_of(expression, SLOTS, CGROUPS.get)
    expected = bool(matching([event_of(head, owner)], expression))
    passed = run(steps.records, head, owner)
    assert passed >= expected
    if steps.is_exact:
        assert passed == expected


def test_without_an_expression_all_packets_pass() -> None:
    steps = steps_of(None, SLOTS, CGROUPS.get)
    assert steps.is_exact
    assert not steps.records["kind"].any()


@pytest.mark.parametrize(
    ("text", "exact", "owner"),
    [
        ("port 443 and not host 10.0.0.1", True, False),
        ("uid 0 or port 1", True, True),
        ("comm nginx", False, False),
        ("not comm nginx and uid 5", False, True),
        ("cgroup /a", True, True),
        ("cgroup /a*", False, False),
    ],
)
def test_what_the_kernel_can_match(text: str, exact: bool, owner: bool) -> None:
    steps = steps_of(parse(text), SLOTS, CGROUPS.get)
    assert (steps.is_exact, steps.asks_owner) == (exact, owner)


def test_too_long_an_expression_is_refused() -> None:
    text = " or ".join(f"port {n}" for n in range(1, 60))
    with pytest.raises(UsageError, match="has room for 64"):
        steps_of(parse(text), SLOTS, CGROUPS.get)


def test_a_user_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="no user 'nobody-such'"):
        steps_of(parse("user nobody-such"), SLOTS, CGROUPS.get)


def _fields(expression: str) -> list[tuple[MatchKind, int, int, int]]:
    steps = steps_of(parse(expression), SLOTS, CGROUPS.get)
    return [
        (MatchKind(int(s["kind"])), int(s["sides"]), int(s["low"]), int(s["high"]))
        for s in steps.records
        if s["kind"] != MatchKind.END
    ]


@pytest.mark.parametrize(
    ("side", "bits"), [("", MatchSide.LOCAL | MatchSide.REMOTE), ("local ", 1), ("remote ", 2)]
)
def test_sides_are_those_of_the_kernels_program(side: str, bits: int) -> None:
    """As numbers: the evaluation above goes by the same names as the compiler."""
    assert _fields(f"{side}port 5-7") == [(MatchKind.PORT, bits, 5, 7)]
    assert _fields(f"{side}host 10.0.0.1") == [(MatchKind.HOST, bits, 0, 0)]


@pytest.mark.parametrize(
    ("expression", "kind", "low"),
    [
        ("ip", MatchKind.FAMILY, 1),
        ("ip6", MatchKind.FAMILY, 2),
        ("dir in", MatchKind.DIRECTION, 1),
        ("dir out", MatchKind.DIRECTION, 0),
        ("proto udp", MatchKind.PROTOCOL, 17),
        ("uid 5", MatchKind.UID, 5),
        ("pid 6", MatchKind.PID, 6),
    ],
)
def test_numbers_are_those_of_the_kernels_program(
    expression: str, kind: MatchKind, low: int
) -> None:
    assert _fields(expression) == [(kind, 0, low, 0)]


def test_room_for_steps_from_both_sides() -> None:
    fits = " or ".join(f"port {n}" for n in range((MATCH_STEPS + 1) // 2))
    assert len(_fields(fits)) == MATCH_STEPS - 1
    exactly = f"not pid 1 and {' and '.join(f'port {n}' for n in range(MATCH_STEPS // 2 - 1))}"
    assert len(_fields(exactly)) == MATCH_STEPS
    with pytest.raises(UsageError, match=f"{MATCH_STEPS + 1} steps"):
        _fields(f"{fits} or port 1")
