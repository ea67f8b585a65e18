# SPDX-License-Identifier: MIT
"""Dropped packets by reason and function, with the names that the kernel has for these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from trafficmon.model.drop_kinds import drop_kind
from trafficmon.model.groups import Records

_PREFIX = "SKB_DROP_REASON_"
OTHER_PLACES = "other places"


class DropNames(NamedTuple):
    """``reasons``: enum skb_drop_reason of that kernel by number, empty before Linux 5.17.

    ``functions``: by location.
    """

    reasons: Mapping[int, str]
    functions: Mapping[int, str]

    def reason(self, number: int) -> str | None:
        """As the kernel calls it, in lower case and without the prefix that all have."""
        if not self.reasons:
            return None
        return self.reasons.get(number, str(number)).removeprefix(_PREFIX).lower()

    def location(self, number: int) -> str:
        """The function; of 0 those that the table has no room for."""
        return self.functions.get(number, f"{number:#x}") if number else OTHER_PLACES

    def kind(self, drop: Any) -> str:
        """Of DROP_KEY: loss or housekeeping."""
        reason = self.reason(int(drop["reason"]))
        return drop_kind(reason, self.location(int(drop["location"])), int(drop["facts"]))


class Drops(NamedTuple):
    """``keys`` (DROP_KEY) and ``values`` (DROP), row by row."""

    keys: Records
    values: Records
    names: DropNames
