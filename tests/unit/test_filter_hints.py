# SPDX-License-Identifier: MIT
"""What a mistake is answered with: an expression that is advised can be read, and means it."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trafficmon.filter.errors import FilterError
from trafficmon.filter.nodes import Family, Proto
from trafficmon.filter.parser import parse
from trafficmon.filter.vocabulary import (
    BUILDERS,
    EXAMPLES,
    FAMILIES,
    JOIN_WORDS,
    SIDES,
    START_WORDS,
)
from trafficmon.protocols import KNOWN_NAMES

_EXPRESSIONS = re.compile(r"(?:write|as in) '([^']+)'")
_WORDS = re.compile(r"did you mean '([^']+)'")
_ALONE = {"&&", "||", *JOIN_WORDS, *SIDES}
"""Advised words that are no expression by themselves."""

HABITS = ("ipv4", "ipv6", "ip4", "inet6", "src", "dst", "tcp", "udp", "icmp6", "10.0.0.1", "443")
VALUES = ("", "x", "=", "tcp", "443", "1-2", "9-1", "10.0.0.0/8", "fe80::1%eth0", "a b", "'", '"')
words = st.one_of(
    st.sampled_from((*START_WORDS, *JOIN_WORDS, *HABITS, *KNOWN_NAMES)),
    st.builds(lambda name, value: f"{name}={value}", st.sampled_from(tuple(BUILDERS)), st.text()),
    st.builds(lambda word, more: word + more, st.sampled_from(START_WORDS), st.text(max_size=3)),
    st.sampled_from(VALUES),
    st.text(max_size=60),
)


def problem_of(text: str) -> str | None:
    try:
        parse(text)
    except FilterError as error:
        return error.problem
    return None


@given(st.lists(words, max_size=4).map(" ".join))
@example("ipv6")
@example("comm=it's")
@example("cgroup=/" + "a" * 100)
@example("port=x")
@example("user=")
@example("proto host")
@example("comm a\\'b\\'cdefghijklmnopq")
def test_every_expression_that_is_advised_can_be_read(text: str) -> None:
    problem = problem_of(text) or ""
    for advised in _EXPRESSIONS.findall(problem):
        assert advised in _ALONE or problem_of(advised) is None, problem
    is_protocol = problem.startswith("unknown IP protocol")
    for word in _WORDS.findall(problem):
        assert word in (KNOWN_NAMES if is_protocol else (*START_WORDS, *JOIN_WORDS)), problem


@pytest.mark.parametrize("word", ["ipv4", "ip4", "inet", "IPv4"])
def test_ipv4_is_a_family(word: str) -> None:
    assert problem_of(word) == f"unknown word '{word}': write 'ip'"


@pytest.mark.parametrize("word", ["ipv6", "inet6", "IPv6"])
def test_ipv6_is_a_family_and_not_the_protocol_of_a_tunnel(word: str) -> None:
    assert problem_of(word) == f"unknown word '{word}': write 'ip6'"
    assert parse("ip6").root == Family(6)
    assert parse("proto ipv6").root == Proto(41)


def test_all_examples_can_be_read() -> None:
    assert EXAMPLES.keys() == BUILDERS.keys()
    for text in (*EXAMPLES.values(), *FAMILIES):
        parse(text)
