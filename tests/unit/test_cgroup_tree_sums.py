# SPDX-License-Identifier: MIT
"""The tree of cgroups: each is what it counts itself and all below it, once."""

from __future__ import annotations

from typing import Any

import pytest

from trafficmon.tables.owners import COUNT_FIELDS
from trafficmon.tables.rates import RATE_FIELDS
from trafficmon.tui.readings.tree import build, walk

Tree = dict[str, Any]


def record(path: str | None, rx: int | None, **more: Any) -> Tree:
    made: Tree = dict.fromkeys(("cgroup_id", "unit", "container", *COUNT_FIELDS, *RATE_FIELDS))
    return {**made, "path": path, "rx_bytes": rx, **more}


def tree(*records: Tree) -> dict[str, int | None]:
    return {path: node.record["rx_bytes"] for path, node in build(list(records)).items()}


def test_each_cgroup_has_all_below_it_and_parents_that_counted_nothing_are_added() -> None:
    found = tree(record("/a/b/c", 1), record("/a/b", 10), record("/a/x/y", 100), record("/z", 1000))
    assert found == {
        "/": 1111,
        "/a": 111,
        "/a/b": 11,
        "/a/b/c": 1,
        "/a/x": 100,
        "/a/x/y": 100,
        "/z": 1000,
    }


def test_the_roots_own_traffic_is_in_its_sum_once() -> None:
    assert tree(record("/", 5), record("/a", 2)) == {"/": 7, "/a": 2}


def test_null_stays_null_until_something_below_counts() -> None:
    found = tree(record("/a", None), record("/a/b", None), record("/c", None), record("/c/d", 4))
    assert found == {"/": 4, "/a": None, "/a/b": None, "/c": 4, "/c/d": 4}


def test_cgroups_that_are_gone_are_one_row_beside_the_tree() -> None:
    assert tree(record(None, 3), record(None, 4), record("/a", 1)) == {"(gone)": 7, "/": 1, "/a": 1}


def test_every_counter_and_rate_is_summed_up() -> None:
    names = (*COUNT_FIELDS, *RATE_FIELDS)
    low = record("/a", 0, **{name: 1 << place for place, name in enumerate(names)})
    lower = record("/a/b", 0, **{name: 1 << (place + 20) for place, name in enumerate(names)})
    top = build([low, lower])["/"].record
    assert {name: top[name] for name in names} == {
        name: (1 << place) + (1 << (place + 20)) for place, name in enumerate(names)
    }


@pytest.mark.parametrize(
    ("sort", "reverse", "order"),
    [
        ("rx_bytes", False, "/ b x a c"),
        ("rx_bytes", True, "/ c a b x"),
        ("path", False, "/ a b x c"),
        ("path", True, "/ c b x a"),
    ],
)
def test_siblings_are_in_order_and_children_follow_their_parent(
    sort: str,
    reverse: bool,
    order: str,
) -> None:
    nodes = build([record("/a", 5), record("/b", 8), record("/b/x", 1), record("/c", 2)])
    shown = [node.name for _, node in walk(nodes, frozenset(), sort, reverse=reverse)]
    assert shown == order.split()


def test_branches_are_drawn_and_what_is_closed_is_marked() -> None:
    nodes = build([record("/a", 9), record("/a/x", 1), record("/b", 3)])
    assert [label for label, _ in walk(nodes, frozenset(), "rx_bytes", reverse=False)] == [
        "/",
        "├─ a",
        "│  └─ x",
        "└─ b",
    ]
    closed = [label for label, _ in walk(nodes, frozenset({"/a"}), "rx_bytes", reverse=False)]
    assert closed == ["/", "├─ ▸ a", "└─ b"]
