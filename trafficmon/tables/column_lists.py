# SPDX-License-Identifier: MIT
"""Columns of some rows as lists of what records hold: for tables of a million rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from trafficmon.tables.addresses import address_text
from trafficmon.tables.table import Array
from trafficmon.tables.times import time_texts

_MOST_TEXTS = 65536

_Address: TypeAlias = tuple[bytes, bool, str | None]


def or_none(column: Array) -> list[int | None]:
    """Numbers, where -1 is null."""
    return [None if number < 0 else number for number in column.tolist()]


class AddressTexts:
    """Addresses as text; those that come again are remembered."""

    def __init__(self) -> None:
        self._known: dict[_Address, str] = {}

    def texts(self, addresses: Array, is_ipv6: list[bool], zones: list[str | None]) -> list[str]:
        """``addresses``: sixteen bytes a row; ``zones``: the links that they are of."""
        if len(self._known) > _MOST_TEXTS:
            self._known.clear()
        raw = np.ascontiguousarray(addresses).view("V16").ravel().tolist()
        known, make = self._known.get, self._make
        return [known(one) or make(one) for one in zip(raw, is_ipv6, zones, strict=True)]

    def _make(self, one: _Address) -> str:
        self._known[one] = text = address_text(one[0], ipv6=one[1], zone=one[2])
        return text


class TimeColumn:
    """Jiffies as seconds since 1970, and as text; each time that rows share is made once."""

    def __init__(self, jiffies: Array, seconds: Callable[[int], float]) -> None:
        times, place = np.unique(jiffies, return_inverse=True)
        known = [seconds(time) for time in times.tolist()]
        self.seconds: list[float] = np.array(known)[place].tolist()
        self.texts: list[str] = np.array(time_texts(known), object)[place].tolist()
