# SPDX-License-Identifier: MIT
"""What a table is said to have is what it can answer: term by term, column by column."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest

from trafficmon.filter.columns import FilterColumns
from trafficmon.filter.errors import FilterError
from trafficmon.filter.evaluate import matches, terms_of
from trafficmon.filter.parser import parse

_ADDRESS = np.zeros((1, 16), np.uint8)
_NUMBER = np.ones(1, np.int64)
_TEXT = np.array(["x"], object)
_COLUMNS: dict[str, dict[str, Any]] = {
    "local_addr": {"local_addr": _ADDRESS, "is_ipv6": np.zeros(1, bool)},
    "remote_addr": {"remote_addr": _ADDRESS, "is_ipv6": np.zeros(1, bool)},
    **{
        name: {name: _NUMBER}
        for name in ("local_port", "remote_port", "protocol", "rx_packets", "tx_packets")
    },
    **{name: {name: _NUMBER} for name in ("uid", "pid")},
    **{name: {name: _TEXT} for name in ("interface", "user", "comm", "cgroup")},
}
_TERMS = {
    "host": "host 10.0.0.1",
    "local host": "local host 10.0.0.1",
    "remote host": "remote host 10.0.0.1",
    "port": "port 1",
    "local port": "local port 1",
    "remote port": "remote port 1",
    "proto": "proto tcp",
    "iface": "iface eth0",
    "dir": "dir in and dir out",
    "user": "user alice",
    "uid": "uid 0",
    "pid": "pid 1",
    "comm": "comm nginx",
    "cgroup": "cgroup /x",
    "ip": "ip",
    "ip6": "ip6",
}
_IMPLIED = {"host": ("local host", "remote host"), "port": ("local port", "remote port")}


def _can_query(columns: FilterColumns, expression: str) -> bool:
    try:
        matches(parse(expression), columns)
    except FilterError:
        return False
    return True


@pytest.mark.parametrize(
    "names", [(), *((name,) for name in _COLUMNS), *combinations(_COLUMNS, 2), tuple(_COLUMNS)]
)
def test_terms_are_those_that_can_be_queried(names: tuple[str, ...]) -> None:
    given: dict[str, Any] = {}
    for name in names:
        given |= _COLUMNS[name]
    columns = FilterColumns(table="made up", length=1, **given)
    offered = set(terms_of(columns))
    for both, sides in _IMPLIED.items():
        if both in offered:
            offered |= set(sides)
        if set(sides) <= offered:
            offered.add(both)
    for term, expression in _TERMS.items():
        is_one_side = term in _IMPLIED and term not in offered
        if not is_one_side:  # `host` of one side alone is offered as that side
            assert (term in offered) == _can_query(columns, expression), term


def test_nothing_is_offered_that_is_not_in_the_language() -> None:
    given: dict[str, Any] = {}
    for members in _COLUMNS.values():
        given |= members
    everything = FilterColumns(table="made up", length=1, **given)
    assert set(terms_of(everything)) == set(_TERMS) - {
        side for sides in _IMPLIED.values() for side in sides
    }
