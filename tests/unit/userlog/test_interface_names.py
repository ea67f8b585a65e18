# SPDX-License-Identifier: MIT
"""What the log calls an interface by its number."""

from __future__ import annotations

import pytest

from trafficmon.userlog.entries import InterfaceNames

HERE, ATTACHED = {7: "eth0", 8: "eth1"}, {7: "tm0"}


@pytest.mark.parametrize(
    ("ifindex", "foreign_netns", "inside", "outside"),
    [
        (7, False, "eth0", "tm0"),
        (7, True, "if7", "if7"),
        (8, False, "eth1", "if8"),
        (9, False, "if9", "if9"),
        (0, False, "none", "none"),
        (0, True, "none", "none"),
    ],
)
def test_a_number_is_given_the_name_that_it_has_in_the_watched_namespace(
    monkeypatch: pytest.MonkeyPatch, ifindex: int, foreign_netns: bool, inside: str, outside: str
) -> None:
    monkeypatch.setattr("trafficmon.host.netns.name_of", HERE.get)
    for is_inside, name in ((True, inside), (False, outside)):
        names = InterfaceNames(is_inside=is_inside, attached=ATTACHED)
        names.name(7, foreign_netns=not foreign_netns)  # what was looked up before changes nothing
        assert names.name(ifindex, foreign_netns=foreign_netns) == name
