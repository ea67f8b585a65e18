# SPDX-License-Identifier: MIT
"""Comments of packets: whatever a process calls itself, each value can be reported."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trafficmon.capture.comment import comment_of

WORD = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|[^\s"]+)(?: |$)')
NAMES = ("process", "pid", "user", "uid", "cgroup")


def parsed(comment: str) -> dict[str, str]:
    """As a reader would: words, bare or as JSON strings, and nothing between them."""
    found, at = {}, 0
    while at < len(comment):
        word = WORD.match(comment, at)
        assert word, comment[at:]
        assert word[1] not in found
        found[word[1]] = json.loads(word[2]) if word[2].startswith('"') else word[2]
        at = word.end()
    return found


@given(st.fixed_dictionaries(dict.fromkeys(NAMES, st.none() | st.text() | st.integers())))
def test_what_goes_in_comes_out(fields: dict[str, str | int | None]) -> None:
    comment = comment_of(fields)
    known = {name: str(value) for name, value in fields.items() if value is not None}
    assert parsed(comment or "") == known
    assert (comment or "x").isprintable()
    (comment or "").encode()


@pytest.mark.parametrize(
    "name",
    [
        "x pid=1 uid=0",
        'x" pid=1',
        "x\\",
        "",
        " ",
        "a=b",
        "\x1b[2J",
        "\n",
        "\udcff",
        "\u202e",
        "日本",
        "\U000e0041",
        "\u2028pid=1",
    ],
)
def test_a_name_cannot_pose_as_another_word(name: str) -> None:
    comment = comment_of({"process": name, "pid": 77, "uid": 1000})
    assert comment is not None
    assert parsed(comment) == {"process": name, "pid": "77", "uid": "1000"}
    assert comment.isprintable()


def test_usual_names_stand_as_they_are() -> None:
    fields: dict[str, str | int | None] = {
        "process": "python3.11",
        "pid": 7,
        "user": "alice",
        "uid": 0,
        "cgroup": "/a.slice/b@1",
    }
    reported = "process=python3.11 pid=7 user=alice uid=0 cgroup=/a.slice/b@1"
    assert comment_of(fields) == reported
    assert comment_of({"process": None, "pid": None}) is None
