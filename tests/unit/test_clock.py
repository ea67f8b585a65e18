# SPDX-License-Identifier: MIT
"""Offsets of time namespaces."""

from __future__ import annotations

from pathlib import Path

import pytest

from trafficmon.host import clock

OFFSETS = "monotonic      -86400  500000000\nboottime        3600         0\n"


def proc(folder: Path, own: str, childrens: str) -> Path:
    (folder / "ns").mkdir()
    (folder / "ns" / "time").symlink_to(f"time:[{own}]")
    (folder / "ns" / "time_for_children").symlink_to(f"time:[{childrens}]")
    (folder / "timens_offsets").write_text(OFFSETS)
    return folder


def test_offsets_of_both_signs(tmp_path: Path) -> None:
    place = proc(tmp_path, "2", "2")
    assert clock.namespace_offset_ns("monotonic", place) == -86_399_500_000_000
    assert clock.namespace_offset_ns("boottime", place) == 3_600_000_000_000
    assert clock.namespace_offset_ns("other", place) == 0


def test_offsets_of_the_childrens_namespace_are_not_ours(tmp_path: Path) -> None:
    assert clock.namespace_offset_ns("monotonic", proc(tmp_path, "1", "2")) == 0


def test_a_kernel_without_time_namespaces(tmp_path: Path) -> None:
    assert clock.namespace_offset_ns("monotonic", tmp_path) == 0


def test_the_kernels_clock_is_without_the_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    before = clock.wall_minus_monotonic_ns()
    day_ns = 86_400_000_000_000
    monkeypatch.setattr(clock, "namespace_offset_ns", lambda _: day_ns)
    assert abs(clock.wall_minus_monotonic_ns() - before - day_ns) < 1_000_000_000
