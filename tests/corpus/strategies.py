# SPDX-License-Identifier: MIT
"""Hypothesis strategies for frames, of the same building blocks as the corpus."""

import random

from hypothesis import strategies as st

from tests.corpus import wire
from tests.corpus.assemble import Assembler
from tests.corpus.crafted import Crafted
from tests.corpus.fragments import FragmentSource
from tests.corpus.mutate import corrupted, shortened
from tests.corpus.templates import templates

_ETHERTYPES = (0x0800, 0x86DD, 0x8100, 0x88A8, 0x8864, 0x8847, 0x8848)


def frame_strategy() -> st.SearchStrategy[bytes]:
    """Return single frames of all sorts, of 14 bytes up to 1514 (a few up to 3000)."""
    crafted = st.one_of(_template(), _assembled())
    return st.one_of(
        crafted.map(lambda frame: frame.data),
        st.builds(_cut, _template(), st.integers(0, wire.MAX_FRAME_BYTES)),
        st.builds(_overwritten, crafted, _overwrites()),
        st.builds(lambda frame, choices: corrupted(frame, choices).data, crafted, _choices()),
        st.binary(min_size=wire.MIN_FRAME_BYTES, max_size=200),
        st.builds(_typed, st.sampled_from(_ETHERTYPES), st.binary(max_size=200)),
    )


def fragments_strategy() -> st.SearchStrategy[list[bytes]]:
    """Return the frames of one to three fragmented datagrams, in the order in which they come.

    Two examples may use the same addresses and ids: begin each with an empty memory of fragments.
    """
    return _choices().map(_fragments)


def _template() -> st.SearchStrategy[Crafted]:
    return st.sampled_from(list(templates().values()))


def _assembled() -> st.SearchStrategy[Crafted]:
    return st.builds(
        lambda choices, depth: Assembler(choices).frame(tunnels=depth),
        _choices(),
        st.integers(0, 3),
    )


def _choices() -> st.SearchStrategy[random.Random]:
    """Return a random generator whose every choice is hypothesis', to be shrunk as such."""
    return st.randoms(use_true_random=False)


def _overwrites() -> st.SearchStrategy[list[tuple[int, int]]]:
    """Return which of a frame's decisive bytes (by its place among them) to set to what."""
    return st.lists(st.tuples(st.integers(0, 999), st.integers(0, 255)), min_size=1, max_size=4)


def _overwritten(frame: Crafted, overwrites: list[tuple[int, int]]) -> bytes:
    data = bytearray(frame.data)
    hot = frame.hot_offsets()
    for place, value in overwrites:
        data[hot[place % len(hot)]] = value
    return bytes(data)


def _cut(frame: Crafted, surplus: int) -> bytes:
    """Return the Ethernet header and as much of what follows as `surplus` says."""
    return shortened(
        frame, wire.MIN_FRAME_BYTES + surplus % (len(frame.data) - wire.MIN_FRAME_BYTES + 1)
    ).data


def _typed(ethertype: int, payload: bytes) -> bytes:
    return wire.MACS + ethertype.to_bytes(2, "big") + payload


def _fragments(choices: random.Random) -> list[bytes]:
    return [frame.data for frame in FragmentSource(choices, Assembler(choices)).sequences()]
