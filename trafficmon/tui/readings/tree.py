# SPDX-License-Identifier: MIT
"""Cgroups as the tree that they are: what a cgroup counts, and those below it, summed up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trafficmon.tables.catalogue import TableQuery
from trafficmon.tables.owners import COUNT_FIELDS
from trafficmon.tables.query import matching, sort_of
from trafficmon.tables.rates import RATE_FIELDS
from trafficmon.tables.table import Record
from trafficmon.tui.readings.rows import Rows, require_sort
from trafficmon.tui.readings.session import Session

_GONE = "(gone)"
_SUMMED = (*COUNT_FIELDS, *RATE_FIELDS)
_TEXTS = ("path", "unit", "container")
_BRANCH, _LAST = "├─ ", "└─ "


@dataclass
class Node:
    """A cgroup; one that counts nothing itself stands there for those below it."""

    path: str
    record: Record
    children: list[Node] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2] or self.path


def read_tree(session: Session, query: TableQuery, closed: frozenset[str]) -> Rows:
    """Cgroups in the order of the tree; of those in ``closed`` what is below is left out."""
    table = session.with_rates(session.read("cgroups"), "cgroups")
    require_sort(table, query)
    mask, sort = matching(table, query.expression), sort_of(table, query)
    rows = np.arange(table.length) if mask is None else np.flatnonzero(mask)
    records = [table.record(row) for row in rows.tolist()]
    shown = list(walk(build(records), closed, sort, reverse=query.reverse))
    return Rows(
        sort,
        query.reverse,
        [node.record for _, node in shown],
        [node.path for _, node in shown],
        len(records),
        table.length,
        [label for label, _ in shown],
    )


def build(records: list[Record]) -> dict[str, Node]:
    """By path, with all counters summed up from below; parents that counted nothing are added.

    Nothing here recurses: how deep cgroups are is up to whoever makes them.
    """
    nodes: dict[str, Node] = {}
    for record in records:
        path = record["path"] or _GONE
        if path in nodes:
            _add(nodes[path].record, record)
        else:
            nodes[path] = Node(path, {**record, "path": path})
    for path in list(nodes):
        _with_parents(nodes, path)
    for path in sorted(nodes, key=_depth, reverse=True):
        if (parent := _parent(path)) is not None:
            nodes[parent].children.append(nodes[path])
            _add(nodes[parent].record, nodes[path].record)
    return nodes


def walk(
    nodes: dict[str, Node], closed: frozenset[str], sort: str, *, reverse: bool
) -> Iterator[tuple[str, Node]]:
    """Label and node, parents before children; siblings largest first, or texts from A."""
    downwards = reverse == (sort in _TEXTS)

    def ordered(siblings: list[Node]) -> list[Node]:
        """The last one first: they are taken from the end."""
        return sorted(siblings, key=lambda node: _weight(node.record, sort), reverse=not downwards)

    roots = [node for path, node in nodes.items() if _parent(path) is None]
    waiting = [("", "", node) for node in ordered(roots)]
    while waiting:
        stem, branch, node = waiting.pop()
        is_closed = node.path in closed and bool(node.children)
        yield f"{stem}{branch}{'▸ ' if is_closed else ''}{node.name}", node
        if is_closed or not node.children:
            continue
        below = stem + {"": "", _BRANCH: "│  ", _LAST: "   "}[branch]
        last, *others = ordered(node.children)
        waiting.append((below, _LAST, last))
        waiting += [(below, _BRANCH, child) for child in others]


def _parent(path: str) -> str | None:
    if path in ("/", _GONE):
        return None
    return path.rpartition("/")[0] or "/"


def _depth(path: str) -> int:
    return 0 if path == "/" else path.count("/")


def _with_parents(nodes: dict[str, Node], path: str) -> None:
    parent = _parent(path)
    while parent is not None and parent not in nodes:
        empty: Record = dict.fromkeys(("cgroup_id", "unit", "container"))
        nodes[parent] = Node(parent, {**empty, "path": parent, **dict.fromkeys(_SUMMED)})
        parent = _parent(parent)


def _add(record: Record, more: Record) -> None:
    """Null and a number is that number: null is what no layer counts."""
    for name in _SUMMED:
        if more[name] is not None:
            record[name] = (record[name] or 0) + more[name]


def _weight(record: Record, sort: str) -> Any:
    if sort in _TEXTS:
        return str(record[sort] or "")
    if sort in ("bytes", "packets"):
        return (record[f"rx_{sort}"] or 0) + (record[f"tx_{sort}"] or 0)
    return record.get(sort) or 0
