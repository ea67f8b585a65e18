# SPDX-License-Identifier: MIT
"""The limit of memory that this process's cgroup, or one above it, sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from trafficmon.host import memory

MIB = 1 << 20


@pytest.mark.parametrize(
    ("mounted", "joined", "file"),
    [
        ("cgroup2 cgroup2 rw", "0::/a/b", "memory.max"),
        ("cgroup cgroup rw,memory", "4:memory:/a/b", "memory.limit_in_bytes"),
        ("cgroup cgroup rw,memory", "4:cpu,memory:/a/b", "memory.limit_in_bytes"),
    ],
)
@pytest.mark.parametrize(
    ("limits", "lowest"),
    [
        ({}, None),
        ({"a/b": "max", "a": "max"}, None),
        ({"a/b": str(64 * MIB)}, 64 * MIB),
        ({"a/b": str(64 * MIB), "a": str(32 * MIB)}, 32 * MIB),
        ({"a": str(32 * MIB), "a/b": "9223372036854771712"}, 32 * MIB),
        ({"": "9223372036854771712"}, None),
    ],
)
def test_the_lowest_limit_up_to_the_root(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mounted: str,
    joined: str,
    file: str,
    limits: dict[str, str],
    lowest: int | None,
) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    for place, text in limits.items():
        (tmp_path / place / file).write_text(f"{text}\n")
    lines = {
        "/proc/self/mountinfo": [f"31 23 0:27 / {tmp_path} rw - {mounted}"],
        "/proc/self/cgroup": [joined, "1:name=systemd:/"],
    }
    monkeypatch.setattr(memory, "_lines", lines.__getitem__)
    assert memory.cgroup_limit_bytes() == lowest


def test_without_proc_there_is_no_limit_to_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_lines", lambda _: [])
    assert memory.cgroup_limit_bytes() is None
