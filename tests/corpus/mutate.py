# SPDX-License-Identifier: MIT
"""Variations of frames: other addresses, cuts, and corruption where it matters most."""

import random

from tests.corpus import wire
from tests.corpus.crafted import Addresses, Crafted

# Protocols, next headers, versions with lengths, flags, and halves of ethertypes.
_BYTES = (
    *(0, 1, 4, 6, 17, 33, 40, 41, 43, 44, 47, 50, 51, 58, 59, 60, 132, 135, 253, 255),
    *(0x05, 0x0F, 0x10, 0x11, 0x20, 0x40, 0x44, 0x45, 0x46, 0x4F, 0x55, 0x60, 0x64, 0x65),
    *(0x08, 0x7F, 0x80, 0x81, 0x86, 0x88, 0xA8, 0xDD, 0x47, 0x48),
)
# Lengths, ethertypes, fragment flags and offsets.
_WORDS = (
    *(0, 1, 19, 20, 21, 40, 0xFFFF),
    *(0x0800, 0x86DD, 0x8100, 0x88A8, 0x8864, 0x8847, 0x0021, 0x0057, 0x0281),
    *(0x1FFF, 0x2000, 0x2001, 0x0001),
)


def readdressed(template: Crafted, addresses: Addresses, rng: random.Random) -> Crafted:
    """Return a template with other addresses; the id of IPv4 datagrams becomes a new one, too."""
    if template.ip_offset is None:
        return template
    frame = bytearray(template.data)
    version = template.version or 4
    pair = addresses.new_pair(version) if template.is_fragment else addresses.pair(version)
    place = template.ip_offset + (12 if version == 4 else 8)
    both = b"".join(pair)
    frame[place : place + len(both)] = both
    if version == 4:
        frame[template.ip_offset + 4 : template.ip_offset + 6] = rng.randbytes(2)
    return template._replace(data=bytes(frame))


def shortened(frame: Crafted, length: int) -> Crafted:
    """Return the first `length` bytes of a frame."""
    return frame._replace(data=frame.data[:length])


def corrupted(frame: Crafted, rng: random.Random) -> Crafted:
    """Return a frame with one to four mistakes, most of them at the bytes that decide."""
    data = bytearray(frame.data)
    hot = frame.hot_offsets()
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        place = rng.choice(hot) if rng.random() < 0.75 else rng.randrange(len(data))
        rng.choice(_MISTAKES)(data, min(place, len(data) - 1), rng)
    return frame._replace(data=bytes(data))


def _flip_bit(data: bytearray, place: int, rng: random.Random) -> None:
    data[place] ^= 1 << rng.randrange(8)


def _set_byte(data: bytearray, place: int, rng: random.Random) -> None:
    data[place] = rng.randrange(256)


def _set_significant_byte(data: bytearray, place: int, rng: random.Random) -> None:
    data[place] = rng.choice(_BYTES)


def _set_word(data: bytearray, place: int, rng: random.Random) -> None:
    """Write two bytes: a number with a meaning, or a length near the one to the end."""
    near_end = max(0, len(data) - place + rng.randint(-48, 8))
    word = rng.choice((*_WORDS, near_end, near_end, near_end))
    data[place : place + 2] = word.to_bytes(2, "big")[: len(data) - place]


def _shift(data: bytearray, place: int, rng: random.Random) -> None:
    """Take out or put in some bytes, so that what follows is read at the wrong place."""
    size = rng.choice((1, 2, 4, 4, 8))
    data[place : place + size * rng.randrange(2)] = bytes(size * rng.randrange(2))
    data.extend(bytes(max(0, wire.MIN_FRAME_BYTES - len(data))))


_MISTAKES = (
    _flip_bit,
    _flip_bit,
    _set_byte,
    _set_significant_byte,
    _set_significant_byte,
    _set_word,
    _shift,
)
