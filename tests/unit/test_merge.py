# SPDX-License-Identifier: MIT
"""Joining by key on arrays, against a dict."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trafficmon.model import groups as merge
from trafficmon.model.groups import Groups, hash_words

WORD = st.one_of(st.integers(0, 3), st.integers(0, (1 << 64) - 1))
ROWS = st.lists(st.tuples(WORD, WORD, WORD), max_size=60)
VALUE = st.integers(0, 1 << 57)  # sixty of them stay below 2**64, most are beyond 2**53


def columns(rows: list[tuple[int, int, int]]) -> np.ndarray[Any, np.dtype[np.uint64]]:
    return np.array(rows, np.uint64).reshape(-1, 3)


@given(st.lists(st.tuples(st.tuples(WORD, WORD, WORD), VALUE), max_size=60))
def test_sums_and_extremes_are_a_dicts(rows: list[tuple[tuple[int, int, int], int]]) -> None:
    sums: dict[tuple[int, int, int], int] = {}
    largest: dict[tuple[int, int, int], int] = {}
    smallest: dict[tuple[int, int, int], int] = {}
    for key, value in rows:
        sums[key] = sums.get(key, 0) + value
        largest[key] = max(largest.get(key, 0), value)
        smallest[key] = min(smallest.get(key, value), value)
    keys = [key for key, _ in rows]
    groups = Groups(columns(keys))
    values = np.array([value for _, value in rows], np.uint64)
    names = [keys[first] for first in groups.first]
    assert dict(zip(names, groups.sum(values).tolist(), strict=True)) == sums
    assert dict(zip(names, groups.maximum(values).tolist(), strict=True)) == largest
    assert dict(zip(names, groups.minimum(values).tolist(), strict=True)) == smallest


@given(ROWS, ROWS)
def test_find_is_a_dicts_get(
    rows: list[tuple[int, int, int]], others: list[tuple[int, int, int]]
) -> None:
    groups = Groups(columns(rows))
    place = {rows[first]: group for group, first in enumerate(groups.first)}
    expected = others + rows
    assert groups.find(columns(expected)).tolist() == [place.get(row, -1) for row in expected]


def test_sums_are_exact_where_floats_are_not() -> None:
    groups = Groups(columns([(1, 2, 3), (1, 2, 3)]))
    assert groups.sum(np.array([1 << 53, 1], np.uint64)).tolist() == [(1 << 53) + 1]


def test_two_keys_with_one_hash_are_distinguished(monkeypatch: pytest.MonkeyPatch) -> None:
    first = merge._FIRST_MULTIPLIER

    def colliding(rows: Any, multiplier: int = first) -> Any:
        return (
            np.zeros(len(rows), np.uint64) if multiplier == first else hash_words(rows, multiplier)
        )

    monkeypatch.setattr(merge, "hash_words", colliding)
    groups = Groups(columns([(1, 0, 0), (2, 0, 0), (1, 0, 0)]))
    assert groups.multiplier != first
    assert sorted(groups.sum(np.array([1, 10, 100], np.uint64)).tolist()) == [10, 101]


def test_a_stranger_with_the_hash_of_ours_is_not_taken_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Keys come from the network, and who knows the function can make such ones."""
    monkeypatch.setattr(merge, "hash_words", lambda rows, _=0: np.ones(len(rows), np.uint64))
    groups = Groups(columns([(1, 2, 3)]))
    assert groups.find(columns([(9, 9, 9), (1, 2, 3), (1, 2, 4)])).tolist() == [-1, 0, -1]
