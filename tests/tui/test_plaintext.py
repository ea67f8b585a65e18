# SPDX-License-Identifier: MIT
"""The dashboard as a conversation: what is requested, in plain lines."""

from __future__ import annotations

import io

import pytest

from tests.tui.fake import Clock, FakeFeed, FakeSource
from trafficmon.errors import NotAttachedError
from trafficmon.tui.plaintext import Conversation


def talk(source: FakeSource, *lines: str, feed: FakeFeed | None = None) -> str:
    out = io.StringIO()
    typed = io.StringIO("".join(f"{line}\n" for line in lines))
    waited: list[float] = []
    Conversation(source, feed or FakeFeed(), typed, out, wait=waited.append, now=Clock()).run()
    text = out.getvalue()
    assert "\x1b" not in text
    assert "\u202e" not in text
    return text


def test_the_first_answer_is_everything_in_short(source: FakeSource) -> None:
    said = talk(source)
    assert "eth0: receiving 2.0 kB/s, sending 1.0 kB/s." in said
    assert "1 connections, round trip median 12.0 ms" in said
    assert "Busiest processes:" in said
    assert said.endswith("> ")


def test_a_table_is_numbered_and_a_row_is_reported_in_full(source: FakeSource) -> None:
    said = talk(source, "sort rx_bytes", "flows", "sort rx_bytes", "1")
    assert "ask for a table first" in said
    assert "1. remote 10.0.0.2, local 10.0.0.1, receiving 500 B/s" in said
    assert "remote_addr: 10.0.0.2" in said
    assert "comm: nginx" in said


def test_so_many_rows(source: FakeSource) -> None:
    said = talk(source, "flows 1")
    assert "flows: 1 of 3, by" in said
    assert "\n2. " not in said


def test_enter_prints_the_same_again(source: FakeSource) -> None:
    assert talk(source, "users", "").count("users: 2 of 2") == 2


def test_a_filter_holds_until_it_is_taken_away(source: FakeSource) -> None:
    said = talk(source, "flows", "filter host 10.0.0.3", "filter")
    assert said.count("flows: 3 of 3") == 2
    assert "flows: 1 of 1 that match, of 3" in said


def test_events(source: FakeSource) -> None:
    said = talk(source, "events", "filter host 10.0.0.7", "1")
    assert "events: the newest 2." in said
    assert "events: the newest 1." in said
    assert "reason: NO_SOCKET" in said


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("flow", "did you mean flows?"),
        ("flows many", "takes a number"),
        ("7", "there is no row 7"),
        ("filter port", "^"),
        ("help", "filter and an expression"),
        ("sort rx_bytes", "ask for a table first"),
    ],
)
def test_what_it_does_not_understand_it_says(source: FakeSource, line: str, says: str) -> None:
    assert says in talk(source, line)


def test_a_sort_that_cannot_be_is_not_kept(source: FakeSource) -> None:
    said = talk(source, "flows", "sort colour", "")
    assert "cannot be sorted by colour" in said
    assert said.count("flows: 3 of 3") == 2


def test_nothing_attached(source: FakeSource) -> None:
    source.error = NotAttachedError("nothing is attached")
    said = talk(source)
    assert "nothing is attached\n" in said
    assert "trafficmon attach --iface" in said


def test_a_layer_that_is_missing(source: FakeSource) -> None:
    source.without.add("sockets")
    assert "the cgroup layer" in talk(source, "users")
