# SPDX-License-Identifier: MIT
"""Mistakes in an expression: what is said, and where the caret stands."""

import pickle
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import wcswidth

from trafficmon.errors import UsageError
from trafficmon.filter.errors import FilterError
from trafficmon.filter.lexer import MAX_CHARACTERS
from trafficmon.filter.nodes import Expression
from trafficmon.filter.parser import MAX_DEPTH, parse


def mistake(text: str) -> FilterError:
    with pytest.raises(FilterError) as caught:
        parse(text)
    return caught.value


def marked(error: FilterError) -> str:
    """What stands over the carets on a terminal, where every character has one column."""
    _, excerpt, carets = str(error).split("\n")
    return excerpt[carets.index("^") : len(carets)]


def test_a_mistake_is_three_lines_and_a_usage_error() -> None:
    error = mistake("port 80 and hots 10.0.0.1")

    assert isinstance(error, UsageError)
    assert error.exit_code == 2
    assert str(error) == (
        "unknown word 'hots': did you mean 'host'?\nport 80 and hots 10.0.0.1\n            ^^^^"
    )


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("src host 10.0.0.1", "src", "write 'local' or 'remote'"),
        ("tcp port 80", "tcp", "write 'proto tcp'"),
        ("port 80 or 443", "443", "as in 'port 443'"),
        ("10.0.0.1", "10.0.0.1", "write 'host 10.0.0.1'"),
        ("port=80", "port=80", "write 'port 80'"),
        ("port = 80", "=", "without '='"),
        ("port != 80", "!", "'port' needs a value"),
        ("frobnicate 7", "frobnicate", "a term begins with one of host"),
        ('"host" 10.0.0.1', '"host"', "a term is missing"),
        ("port 80 port 443", "port", "write 'and' or 'or' before 'port'"),
        ("ip host 10.0.0.1", "host", "before 'host'"),
        ("(port 80 port 443)", "port", "before 'port'"),
        ("port 80)", ")", "closes nothing"),
        ("port 80 and (port 81", "(", "never closed: add ')'"),
        ("port 80 and or port 81", "or", "a term is missing"),
        ("comm and port 80", "and", "'comm' needs a value"),
        ("comm (sd-pam)", "(", "quote a value"),
        ("comm ''", "''", "not empty"),
        ("comm 'nginx", "'nginx", "add ' where the value ends"),
        ('comm x"', '"', 'add " where the value ends'),
        ("port 80 & port 81", "&", "write '&&' or 'and'"),
        ("port 80 | port 81", "|", "write '||' or 'or'"),
        ("local 443", "443", "as in 'local port 443'"),
        ("remote user alice", "user", "goes host or port"),
        ("host example.com", "example.com", "names are not looked up"),
        ("host 10.0.0", "10.0.0", "invalid address"),
        ("host 10.0.0.01", "10.0.0.01", "invalid address"),
        ("host 10.0.0.0/33", "10.0.0.0/33", "invalid address"),
        ("host 10.0.0.0/0.255.255.255", "10.0.0.0/0.255.255.255", "invalid address"),
        ("host fe80::1%eth0", "fe80::1%eth0", "and 'iface' for the zone"),
        ("port 65536", "65536", "a number from 0 to 65535"),
        ("port 80-65536", "80-65536", "a number from 0 to 65535"),
        ("port 81-80", "81-80", "write 80-81"),
        ("port 90-80", "90-80", "write 80-90"),
        ("port no\x00such", "no\\x00such", "unknown service"),
        ("proto tpc", "tpc", "did you mean 'tcp'?"),
        ("proto 256", "256", "0 to 255"),
        ("dir up", "up", "write in or out"),
        ("uid alice", "alice", "for a name use 'user'"),
        ("uid -1", "-1", "a number from 0"),
        ("uid 4294967296", "4294967296", "a number from 0"),
        ("pid \u0661", "\u0661", "a number from 0"),  # an Arabic 1, which int() would take
        ("pid 99999999999999999999", "99999999999999999999", "a number from 0"),
        ("comm systemd-resolved", "systemd-resolved", "write 'comm systemd-resolve'"),
    ],
)
def test_each_mistake_names_its_place_and_the_remedy(text: str, place: str, said: str) -> None:
    error = mistake(text)

    assert marked(error) == place
    assert said in error.problem


@pytest.mark.parametrize("text", ["", "port", "not", "port 80 and", "local", "port 80 or ("])
def test_an_expression_that_ends_too_early_has_the_caret_after_its_end(text: str) -> None:
    error = mistake(text)
    _, excerpt, carets = str(error).split("\n")

    assert excerpt == text
    assert carets == " " * len(text) + "^"


def test_blank_text_is_a_mistake() -> None:
    assert "a term is missing" in mistake(" \t").problem


def test_control_characters_are_escaped_and_the_caret_still_fits() -> None:
    error = mistake("comm \x1b[2J\u202e\x9b and hots 1")

    assert str(error).split("\n")[1:] == [
        r"comm \x1b[2J\u202e\x9b and hots 1",
        "                           ^^^^",
    ]


def test_the_caret_fits_under_wide_and_combining_characters() -> None:
    _, excerpt, carets = str(mistake("comm 日本 or comm é or 日本")).split("\n")

    assert excerpt.endswith("日本")
    assert wcswidth(excerpt) == len(carets)
    assert carets.count("^") == 4


def test_a_long_expression_is_shown_around_the_mistake() -> None:
    error = mistake("port 80 and " * 60 + "hots 1" + " and port 81" * 60)
    _, excerpt, carets = str(error).split("\n")

    assert excerpt.startswith("…")
    assert excerpt.endswith("…")
    assert len(excerpt) <= 80
    assert excerpt[carets.index("^") : len(carets)] == "hots"


def test_a_long_word_does_not_make_a_long_message() -> None:
    error = mistake("x" * 4000)

    assert max(map(len, str(error).split("\n"))) < 200


def test_length_is_bounded() -> None:
    longest = "port 80 or " * 371 + " " * 8 + "port 80"
    assert len(longest) == MAX_CHARACTERS

    assert isinstance(parse(longest), Expression)
    assert "write it with at most 4096" in mistake(longest + " ").problem


@pytest.mark.parametrize("nesting", ["(", "not ", "!"])
def test_depth_is_bounded(nesting: str) -> None:
    closing = ")" if nesting == "(" else ""

    assert isinstance(parse(nesting * MAX_DEPTH + "ip" + closing * MAX_DEPTH), Expression)
    deeper = nesting * (MAX_DEPTH + 1) + "ip" + closing * (MAX_DEPTH + 1)
    assert "nested more than 64 deep" in mistake(deeper).problem


def test_depth_counts_nesting_and_not_the_number_of_terms() -> None:
    text = " and ".join(["(not ip)"] * (MAX_DEPTH + 1))

    assert isinstance(parse(text), Expression)


def test_a_filter_error_survives_pickling() -> None:
    error = mistake("hots 1")

    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def assert_only_a_filter_error(text: str) -> None:
    with suppress(FilterError):
        parse(text)
        return
    error = mistake(text)
    problem, excerpt, carets = str(error).split("\n")
    assert problem.isprintable()
    assert excerpt.isprintable()
    assert carets.lstrip(" ") == "^" * carets.count("^") != ""
    assert 0 <= error.start <= error.end <= len(text)


@given(st.text(max_size=60))
def test_random_text_raises_nothing_but_a_filter_error(text: str) -> None:
    assert_only_a_filter_error(text)


WORDS = """
    host net port proto iface dir user uid pid comm cgroup ip ip6 local remote and or not && || !
    ( ) ' " \\ = - / : [ ] * 0 80 1-2 tcp in alice ::1 1.2.3.4 10.0.0.0/8 fe80::1%a 9999999999
""".split()  # noqa: SIM905 -- a list of sixty literals hides what is in it
WORDS += ["\ud800", "\x00", "\x1b", "\u202e", "日", "\u0301", "\u0663"]


@given(st.lists(st.sampled_from(WORDS), max_size=20), st.sampled_from((" ", "")))
def test_random_words_raise_nothing_but_a_filter_error(words: list[str], joint: str) -> None:
    assert_only_a_filter_error(joint.join(words))
