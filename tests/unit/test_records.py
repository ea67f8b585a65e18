# SPDX-License-Identifier: MIT
"""Text in records, and readers that refuse what they do not know."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trafficmon.errors import LayoutError
from trafficmon.layout import INTERFACE, LAYOUT_VERSION, MAGIC, META
from trafficmon.records import record_of, require_layout, set_text, slot_key, text_of

CHARACTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])


@given(st.text(CHARACTERS, max_size=40))
def test_text_is_cut_between_characters(value: str) -> None:
    record = np.zeros(1, INTERFACE)[0]
    set_text(record, "name", value)
    kept = text_of(record["name"])
    assert value.startswith(kept)
    assert len(kept.encode()) <= 15
    if kept != value:
        assert len(value[: len(kept) + 1].encode()) > 15


def test_shorter_text_leaves_nothing_of_the_longer() -> None:
    record = np.zeros(1, INTERFACE)[0]
    set_text(record, "name", "longer-name")
    set_text(record, "name", "a")
    assert bytes(record["name"]) == b"a".ljust(16, b"\0")


def described(magic: int, version: int, size: int) -> bytes:
    return struct.pack("=III", magic, version, size).ljust(META.itemsize, b"\0")


def test_our_layout_is_accepted() -> None:
    require_layout(described(MAGIC, LAYOUT_VERSION, META.itemsize), "/pins")


@pytest.mark.parametrize("raw", [None, b"", b"\0" * 400, described(MAGIC ^ 1, LAYOUT_VERSION, 8)])
def test_what_is_not_ours_is_refused(raw: bytes | None) -> None:
    with pytest.raises(LayoutError, match="/pins is not trafficmon's; choose another --pin-dir"):
        require_layout(raw, "/pins")


@pytest.mark.parametrize(
    ("version", "size"), [(LAYOUT_VERSION + 1, META.itemsize), (LAYOUT_VERSION, META.itemsize + 8)]
)
def test_another_layout_is_refused_with_the_remedy(version: int, size: int) -> None:
    with pytest.raises(LayoutError, match=f"layout {version}, .*attach --replace"):
        require_layout(described(MAGIC, version, size), "/pins")


def test_records_from_bytes() -> None:
    assert record_of(None, META)["magic"] == 0
    record = record_of(described(MAGIC, 7, 8), META)
    assert (record["magic"], record["layout_version"]) == (MAGIC, 7)
    record["magic"] = 1  # a copy of its own
    assert slot_key(3) == struct.pack("=I", 3)


def test_text_that_is_no_utf_8_is_kept_byte_for_byte() -> None:
    """Such as the path of a cgroup whose name is not UTF-8."""
    record = np.zeros(1, META)[0]
    set_text(record, "cgroup", "/sys/fs/cgroup/a\udcff")
    assert text_of(record["cgroup"]) == "/sys/fs/cgroup/a\udcff"
