# SPDX-License-Identifier: MIT
"""A frame with what its maker knows of it, and the addresses that frames are made with."""

import itertools
import random
from typing import NamedTuple

_HOSTS = 192


class Crafted(NamedTuple):
    """A frame, where its outermost IP header begins (None: nowhere), and that header's version."""

    data: bytes
    ip_offset: int | None
    version: int | None
    is_fragment: bool = False

    def hot_offsets(self) -> list[int]:
        """Return the offsets of the bytes that decide how it is read: types, lengths, versions."""
        if self.ip_offset is None:
            return list(range(12, min(len(self.data), 34)))
        decisive = (0, 0, 2, 3, 6, 7, 9) if self.version == 4 else (0, 4, 5, 6)
        header = [self.ip_offset + place for place in decisive]
        behind = self.ip_offset + (20 if self.version == 4 else 40)
        extensions = [place for place in range(behind, behind + 72) if (place - behind) % 8 < 4]
        link = list(range(12, self.ip_offset))
        # The IP header's own fields three times as often as those before and after it.
        return [place for place in header * 3 + link + extensions if place < len(self.data)]


class Addresses:
    """Source and destination addresses: a small world of hosts, so that flows come again.

    The sources of fragmented datagrams never come again: whoever remembers fragments for two
    seconds and whoever remembers them for ever then agree, however slowly the frames are fed.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._serial = itertools.count()

    def pair(self, version: int) -> tuple[bytes, bytes]:
        """Return a source and a destination out of the small world."""
        source, destination = self._rng.randrange(_HOSTS), self._rng.randrange(_HOSTS)
        return _host(version, source), _host(version, destination)

    def new_pair(self, version: int) -> tuple[bytes, bytes]:
        """Return a source that was not used before, and a destination."""
        serial = next(self._serial) & 0xFFFFFF
        source = bytes((100, *serial.to_bytes(3, "big")))
        if version == 6:
            source = bytes.fromhex("20010db8000f") + bytes(6) + source
        return source, _host(version, self._rng.randrange(_HOSTS))


_SPECIAL_V4 = (bytes(4), b"\xff" * 4, bytes((127, 0, 0, 1)), bytes((224, 0, 0, 1)))
_SPECIAL_V6 = (bytes(16), b"\xff" * 16, bytes(15) + b"\x01", b"\xff\x02" + bytes(13) + b"\x01")


def _host(version: int, number: int) -> bytes:
    """Return a host's address; IPv6 hosts from 128 on are IPv4 ones, mapped (RFC 4291, 2.5.5.2)."""
    if number < len(_SPECIAL_V4):
        return _SPECIAL_V4[number] if version == 4 else _SPECIAL_V6[number]
    address = bytes((10, 0, 0, number & 127))
    if version == 4:
        return address
    prefix = bytes(10) + b"\xff\xff" if number >= 128 else bytes.fromhex("20010db8") + bytes(8)
    return prefix + address
