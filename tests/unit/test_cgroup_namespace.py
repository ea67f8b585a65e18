# SPDX-License-Identifier: MIT
"""Paths of cgroups that are gone, where ours begin elsewhere than those that were noted."""

from __future__ import annotations

from pathlib import Path

import pytest

from trafficmon.host import identities
from trafficmon.host.identities import Identities


@pytest.mark.parametrize("also", ["/host/a/here.service", None], ids=["another", "none other"])
@pytest.mark.parametrize(
    ("namespaced", "shown"), [(True, "/a/gone.service"), (False, "/host/a/gone.service")]
)
def test_one_that_is_gone_is_called_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, namespaced: bool, shown: str, also: str | None
) -> None:
    """Whether or not another one was noted that is still there."""
    there = tmp_path / "a" / "here.service"
    there.mkdir(parents=True)
    monkeypatch.setattr(identities, "version_2_root", lambda: tmp_path)
    monkeypatch.setattr(identities, "in_namespace", lambda: namespaced)
    number = there.stat().st_ino
    noted = {0: "/host/a/gone.service"} | ({number: also} if also else {})
    named = Identities()
    assert named.cgroup(number, noted.get) == "/a/here.service"
    assert named.cgroup(0, noted.get) == shown
    assert named.cgroup(1, noted.get) is None
