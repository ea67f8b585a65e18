# SPDX-License-Identifier: MIT
"""Which paths are trusted: only what root, or we, could have put there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from trafficmon import ownership
from trafficmon.errors import UsageError
from trafficmon.ownership import NotOursError


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[Path]:
    """A directory below tmp_path, which is ours with all above it (or sticky, as /tmp)."""
    place = tmp_path / "pins"
    place.mkdir(mode=0o700)
    yield place
    tmp_path.chmod(0o700)


@pytest.mark.parametrize("mode", [0o700, 0o750, 0o755, 0o711, 0o1700])
def test_what_only_we_may_write_to_is_ours(ours: Path, mode: int) -> None:
    ours.chmod(mode)
    ownership.require_ours(ours)


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777, 0o1777])
def test_what_others_may_write_to_is_not(ours: Path, mode: int) -> None:
    ours.chmod(mode)
    with pytest.raises(NotOursError, match="others may write"):
        ownership.require_ours(ours)


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_parent_in_which_others_may_rename_things_is_not(
    ours: Path, tmp_path: Path, mode: int
) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(NotOursError, match="others may rename"):
        ownership.require_ours(ours)
    tmp_path.chmod(mode | 0o1000)  # sticky: only its owner may rename an entry
    ownership.require_ours(ours)


def test_a_symbolic_link_is_not_whatever_it_leads_to(ours: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(ours)
    with pytest.raises(NotOursError, match="symbolic link"):
        ownership.require_ours(link)
    with pytest.raises(NotOursError, match="symbolic link"):
        ownership.require_plain(link)
    (ours / "maps").mkdir()
    with pytest.raises(NotOursError, match="symbolic link"):
        ownership.require_ours(link / "maps")


def test_a_file_is_no_directory(ours: Path) -> None:
    (ours / "maps").write_text("")
    with pytest.raises(NotOursError, match="not a directory"):
        ownership.require_plain(ours / "maps")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a directory away")
@pytest.mark.parametrize("at_fault", ["pins", "."])
def test_what_belongs_to_another_user_is_not(ours: Path, tmp_path: Path, at_fault: str) -> None:
    os.chown(tmp_path / at_fault, 65534, 65534)
    with pytest.raises(NotOursError, match=r"belongs to (user \w+|uid 65534)"):
        ownership.require_ours(ours)


def test_entries_that_others_may_change_are_found(ours: Path) -> None:
    (ours / "a").write_text("")
    (ours / "a").chmod(0o600)
    (ours / "b").write_text("")
    (ours / "b").chmod(0o660)
    (ours / "c").symlink_to("a")
    found = {path.name: reason for path, reason in ownership.foreign_entries(ours)}
    assert set(found) == {"b", "c"}
    assert "others may write" in found["b"]
    assert "symbolic link" in found["c"]


def test_group_and_mode_are_never_given_through_a_link(ours: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("")
    victim.chmod(0o600)
    (ours / "maps").symlink_to(victim)
    with ownership.opened(ours) as fd, pytest.raises(NotOursError, match="symbolic link"):
        ownership.give("maps", fd, os.getegid(), 0o644)
    assert victim.stat().st_mode & 0o777 == 0o600
    (ours / "links").mkdir(mode=0o700)
    with ownership.opened(ours) as fd:
        ownership.give("links", fd, os.getegid(), 0o710)
    assert (ours / "links").stat().st_mode & 0o777 == 0o710


def test_a_link_of_our_own_is_followed_to_one_name(ours: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("pins")
    assert ownership.resolve(link / "x" / ".." / "y") == ours / "y"
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    with pytest.raises(UsageError, match="symbolic link"):
        ownership.resolve(loop)
