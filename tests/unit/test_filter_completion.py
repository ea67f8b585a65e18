# SPDX-License-Identifier: MIT
"""Words offered while an expression is typed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trafficmon.filter.completion import complete
from trafficmon.filter.errors import FilterError
from trafficmon.filter.parser import parse

STARTS = complete("", 0)


def test_a_term_may_begin_an_expression() -> None:
    assert STARTS[:3] == ["host", "net", "port"]
    assert {"local", "remote", "ip6", "not", "cgroup"} < set(STARTS)
    assert "and" not in STARTS


@pytest.mark.parametrize("text", ["  ", "not ", "! ", "(", "port 80 and ", "port 80||", "(ip or "])
def test_a_term_may_follow(text: str) -> None:
    assert complete(text, len(text)) == STARTS


@pytest.mark.parametrize("text", ["port 80 ", "(port 80 ", "ip ", "(ip) ", 'comm "x" ', 'comm "x"'])
def test_a_complete_term_may_be_joined(text: str) -> None:
    assert complete(text, len(text)) == ["and", "or"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ho", ["host"]),
        ("HO", ["host"]),
        ("port 80 a", ["and"]),
        ("port 80 and", ["and"]),
        ("port 80 and n", ["net", "not"]),
        ("local ", ["host", "net", "port"]),
        ("remote p", ["port"]),
        ("dir ", ["in", "out"]),
        ("not dir o", ["out"]),
        ("proto icmp", ["icmp", "icmpv6"]),
        ("port 80&&i", ["iface", "ip", "ip6"]),
    ],
)
def test_words_by_place_and_beginning(text: str, words: list[str]) -> None:
    assert complete(text, len(text)) == words


@pytest.mark.parametrize(
    "text", ["port ", "comm ngi", "comm 'ng", "hots 3 ", "port 80) ", "port 80 & "]
)
def test_nothing_is_offered_where_nothing_is_known(text: str) -> None:
    assert complete(text, len(text)) == []


def test_only_what_goes_before_the_cursor_counts() -> None:
    assert complete("port 80 a garbage (", 9) == ["and"]
    assert complete("port 80", -3) == STARTS
    assert complete("ip ", 99) == ["and", "or"]


@given(st.text(alphabet="hostandr()'! 81", max_size=20), st.integers(-1, 25))
def test_completion_never_fails(text: str, cursor: int) -> None:
    assert all(isinstance(word, str) for word in complete(text, cursor))


def expects_more_or_reads(text: str) -> bool:
    try:
        parse(text)
    except FilterError as error:
        return error.start == len(text)
    return True


VALUES = {"port": "80", "uid": "7", "pid": "7", "host": "::1", "net": "::/0"}


@given(st.lists(st.integers(0, 200), max_size=12))
def test_what_is_offered_may_stand_there(choices: list[int]) -> None:
    words = [""]
    for choice in choices:
        text = " ".join(words)
        offered = complete(text, len(text)) or [VALUES.get(words[-2], "x")]
        words[-1:] = [offered[choice % len(offered)], ""]

        assert expects_more_or_reads(" ".join(words))
