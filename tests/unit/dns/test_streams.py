# SPDX-License-Identifier: MIT
"""Messages out of TCP, however it was cut and in whatever order it came."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trafficmon.dns.streams import Streams

MESSAGES = st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=6)


def framed(messages: list[bytes]) -> bytes:
    return b"".join(len(m).to_bytes(2, "big") + m for m in messages)


@given(MESSAGES, st.integers(0, 2**32 - 1), st.data())
def test_pieces_in_any_order_and_twice(
    messages: list[bytes], first: int, data: st.DataObject
) -> None:
    whole = framed(messages)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(whole)), max_size=8)) | {0, len(whole)})
    pieces = [(cuts[n], whole[cuts[n] : cuts[n + 1]]) for n in range(len(cuts) - 1)]
    again = data.draw(st.lists(st.sampled_from(pieces), max_size=4))
    streams, found = Streams(), list[bytes]()
    streams.begin("k", (first - 1) % 2**32)
    for offset, piece in data.draw(st.permutations(pieces + again)):
        found += streams.add("k", (first + offset) % 2**32, piece)
    assert found == messages


def test_a_stream_whose_beginning_was_not_seen_begins_with_a_message() -> None:
    assert list(Streams().add("k", 1000, framed([b"abc", b"d"]))) == [b"abc", b"d"]


def test_two_directions_do_not_mix() -> None:
    streams = Streams()
    assert list(streams.add("a", 5, b"\0\3ab")) == []
    assert list(streams.add("b", 7, b"\0\1x")) == [b"x"]
    assert list(streams.add("a", 9, b"c")) == [b"abc"]


def test_what_is_given_up_is_counted() -> None:
    streams = Streams()
    list(streams.add("k", 5, b"\0\3ab"))
    streams.end("k")
    assert streams.lost == 1
    for number in range(2000):
        list(streams.add(number, 5, b"\0\3ab"))
    assert streams.lost == 1 + 2000 - 1024
    list(Streams().add("k", 0, b""))


def test_a_hole_does_not_take_all_memory() -> None:
    streams = Streams()
    streams.begin("k", 0)
    for number in range(200):
        list(streams.add("k", 2000 + number * 1000, bytes(1000)))
    assert streams.lost >= 1
    assert sum(len(s.early) for s in streams._streams.values()) < 140
