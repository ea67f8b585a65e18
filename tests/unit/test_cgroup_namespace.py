# SPDX-License-Identifier: MIT
"""Paths of cgroups that have gone, where ours begin elsewhere than those that were noted."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from trafficmon.host.cgroup_tree import CgroupTree
from trafficmon.reader.labels import Labels
from trafficmon.tables import names
from trafficmon.tables.names import Names


class Noted:
    """In the place of Labels: what the kernel's programs have noted."""

    def __init__(self, paths: dict[int, str]) -> None:
        self._paths = paths

    def cgroup(self, cgroup_id: int) -> str | None:
        return self._paths.get(cgroup_id)


@pytest.mark.parametrize("also", ["/host/a/here.service", None], ids=["another", "none other"])
@pytest.mark.parametrize(
    ("namespaced", "shown"), [(True, "/a/gone.service"), (False, "/host/a/gone.service")]
)
def test_one_that_has_gone_is_called_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, namespaced: bool, shown: str, also: str | None
) -> None:
    """Whether or not another one was noted that is still there."""
    there = tmp_path / "a" / "here.service"
    there.mkdir(parents=True)
    tree = CgroupTree(tmp_path)
    monkeypatch.setattr(names, "_cgroups", lambda: tree)
    monkeypatch.setattr(names, "in_namespace", lambda: namespaced)
    number = there.stat().st_ino
    noted = {number: also} if also else {}
    named = Names(cast("Labels", Noted({**noted, 0: "/host/a/gone.service"})))
    assert named.cgroup(number) == "/a/here.service"
    assert named.cgroup(0) == shown
    assert named.cgroup(1) is None
