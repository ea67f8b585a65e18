# SPDX-License-Identifier: MIT
"""Interfaces that vanish, come back, are renamed or leave for another network namespace."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.kernel import leftovers
from tests.kernel.attached import (
    WAYS,
    attach,
    complaint,
    interface_row,
    packets,
    program_in,
    send,
    send_back,
    state,
)
from tests.kernel.program import Program
from tests.lab.lab import Lab
from tests.lab.namespace import Namespace
from tests.lab.veth import Link, connect
from trafficmon.host import netns

pytestmark = pytest.mark.kernel

CLIENT, SERVER, RENAMED = "tmclient", "tmserver", "tmrenamed"
WAY = pytest.mark.parametrize("way", list(WAYS))


def notes(program: Program, *command: str) -> str:
    """What a command says beside what it shows."""
    done = program.run(*command, check=False)
    assert done.returncode == (command[0] == "status" and bool(done.stderr))
    return done.stderr


def lose(lab: Lab) -> None:
    lab.server.run(["ip", "link", "delete", SERVER])


def bring_back(lab: Lab) -> Link:
    """The same names, other interfaces."""
    return connect(lab.client, lab.server, names=(CLIENT, SERVER), network=1)


def number_of(namespace: Namespace, interface: str) -> int:
    with namespace.inside():
        return socket.if_nametoindex(interface)


@WAY
def test_one_that_is_gone_keeps_its_counters(bare: tuple[Lab, Program], way: str) -> None:
    lab, program = bare
    attach(program, SERVER, options=WAYS[way])
    send(lab, 5)
    lose(lab)

    for command in (("top", "flows"), ("top", "interfaces"), ("status",)):
        assert notes(program, *command) == (
            f"note: {SERVER} was removed; its counters keep their values\n"
        )
    row = interface_row(program, SERVER)
    assert (row["rx_packets"], row["ifindex"], row["xdp_mode"]) == (5, None, "gone")
    assert state(program, SERVER)["state"] == "gone"
    assert program.run("detach").stdout == f"detached from {SERVER}\n"


@WAY
def test_one_of_two_that_was_removed_is_a_note_and_both_are_a_fault(
    bare: tuple[Lab, Program], way: str
) -> None:
    lab, program = bare
    connect(lab.client, lab.server, names=("tmother0", "tmother"), network=2)
    attach(program, SERVER, "tmother", options=WAYS[way])
    lose(lab)

    done = program.run("status", "--json", check=False)
    assert done.returncode == 0
    assert done.stderr == f"note: {SERVER} was removed; its counters keep their values\n"
    states = {one["interface"]: one["state"] for one in json.loads(done.stdout)["interfaces"]}
    assert states == {SERVER: "gone", "tmother": "attached"}
    bring_back(lab)
    assert program.run("status", check=False).returncode == 1, "it is back, and not counted"
    lose(lab)
    lab.server.run(["ip", "link", "delete", "tmother"])
    assert program.run("status", check=False).returncode == 1


@WAY
def test_one_that_is_back_is_counted_on(bare: tuple[Lab, Program], way: str) -> None:
    lab, program = bare
    loaded = leftovers.loaded()
    attach(program, SERVER, options=WAYS[way])
    send(lab, 5)
    send_back(lab, 2)
    lose(lab)
    bring_back(lab)
    number = number_of(lab.server, SERVER)

    said = notes(program, "top", "interfaces")
    assert f"{SERVER} was removed and is back as number {number}, not counted" in said
    assert f"'trafficmon attach --iface {SERVER}' counts on" in said
    send(lab, 100)
    assert packets(program, SERVER) == (5, 2)

    said = attach(program, SERVER, options=WAYS[way])
    assert "back again: its counters continue" in said
    send(lab, 3)
    send_back(lab, 1)
    assert packets(program, SERVER) == (8, 3)
    assert state(program, SERVER)["ifindex"] == number
    assert notes(program, "top", "interfaces") == ""
    program.run("detach")
    assert not leftovers.orphans(loaded)


@WAY
def test_a_renamed_one_is_counted_under_its_new_name(bare: tuple[Lab, Program], way: str) -> None:
    lab, program = bare
    attach(program, SERVER, options=WAYS[way])
    send(lab, 5)
    lab.server.run(["ip", "link", "set", SERVER, "name", RENAMED])
    send(lab, 4)

    assert packets(program, RENAMED) == (9, 0)
    assert notes(program, "top", "interfaces") == ""
    assert f"{RENAMED}: " in attach(program, RENAMED, options=WAYS[way])
    assert [i["interface"] for i in program.status()["interfaces"]] == [RENAMED]
    attach(program, RENAMED, options=(*WAYS[way], "--replace"))
    send(lab, 1)
    assert packets(program, RENAMED) == (10, 0)
    said = program.run("detach", "--iface", RENAMED).stdout
    assert said == f"detached from {RENAMED}\n"
    assert not program.pin_dir.exists()


def test_who_takes_the_old_name_of_another_has_counters_of_its_own(
    bare: tuple[Lab, Program],
) -> None:
    lab, program = bare
    attach(program, SERVER)
    send(lab, 5)
    lab.server.run(["ip", "link", "set", SERVER, "name", RENAMED])
    connect(lab.client, lab.server, names=("tmnew", SERVER), network=2)
    attach(program, SERVER)
    send(lab, 4)

    assert packets(program, RENAMED) == (9, 0)
    assert packets(program, SERVER) == (0, 0)
    program.run("detach", "--iface", SERVER)
    send(lab, 1)
    assert packets(program, RENAMED) == (10, 0)


@WAY
def test_one_that_has_moved_away_is_reported_and_may_come_back(
    bare: tuple[Lab, Program], way: str
) -> None:
    lab, program = bare
    attach(program, SERVER, options=WAYS[way])
    send(lab, 5)
    with Namespace("away") as away:
        lab.server.run(["ip", "link", "set", SERVER, "netns", away.name])
        went = "was removed" if way == "clsact" else "moved to another network namespace"
        assert f"{SERVER} {went}" in notes(program, "status")
        before = packets(program, SERVER)
        away.run(["ip", "link", "set", SERVER, "netns", lab.server.name])
        lab.server.run(["ip", "link", "set", SERVER, "up"])
    attach(program, SERVER, options=WAYS[way])
    send(lab, 4)

    assert before == (5, 0)
    assert packets(program, SERVER) == (9, 0)
    assert notes(program, "status") == ""


def test_one_that_never_comes_back_is_detached(bare: tuple[Lab, Program]) -> None:
    lab, program = bare
    with Namespace("away") as away:
        hooks_before = leftovers.hooks(lab.server)
        loaded = leftovers.loaded()
        attach(program, SERVER, options=WAYS["clsact"])
        lab.server.run(["ip", "link", "set", SERVER, "netns", away.name])
        program.run("detach")
        assert "tm_" not in leftovers.hooks(away)
        away.run(["ip", "link", "set", SERVER, "netns", lab.server.name])
        lab.server.run(["ip", "link", "set", SERVER, "up"])
        assert leftovers.hooks(lab.server) == hooks_before
        assert not leftovers.orphans(loaded)


class TestAnotherNamespace:
    """A pin directory is of one namespace; others may look."""

    @WAY
    def test_reads_and_does_not_attach(self, bare: tuple[Lab, Program], way: str) -> None:
        lab, program = bare
        attach(program, SERVER, options=WAYS[way])
        send(lab, 5)
        elsewhere = Program(lab.client, program.pin_dir)

        said = complaint(elsewhere, 1, "attach", "--iface", CLIENT)
        assert "in use from another network namespace; use another --pin-dir" in said
        said = complaint(elsewhere, 1, "attach", "--replace")
        assert "in use from another network namespace" in said
        assert packets(elsewhere, SERVER) == (5, 0)
        assert notes(elsewhere, "top", "interfaces") == ""
        assert state(elsewhere, SERVER)["state"] == "attached"

    @pytest.mark.parametrize("way", ["tcx", "native"])
    def test_links_are_detached_from_anywhere(self, bare: tuple[Lab, Program], way: str) -> None:
        lab, program = bare
        hooks = leftovers.hooks(lab.server)
        attach(program, SERVER, options=WAYS[way])
        elsewhere = Program(lab.client, program.pin_dir)

        assert elsewhere.run("detach").stdout == f"detached from {SERVER}\n"
        assert leftovers.hooks(lab.server) == hooks

    def test_filters_are_detached_at_home(self, bare: tuple[Lab, Program]) -> None:
        lab, program = bare
        attach(program, SERVER, options=WAYS["clsact"])
        said = complaint(Program(lab.client, program.pin_dir), 1, "detach")

        assert f"nsenter --net={lab.server.path} trafficmon detach" in said
        send(lab, 5)
        assert packets(program, SERVER) == (5, 0)

    @WAY
    def test_what_went_with_its_namespace_is_cleared_away(self, way: str) -> None:
        loaded = leftovers.loaded()
        with Namespace("here") as here, program_in(here) as program:
            with Namespace("there") as there:
                connect(here, there, names=("tmhere", "tmthere"))
                inside = Program(there, program.pin_dir)
                attach(inside, "tmthere", options=WAYS[way])
            said = complaint(program, 1, "attach", "--iface", "lo")
            assert "was in a network namespace that was deleted" in said
            assert program.run("detach").stdout == "detached from tmthere\n"
            assert not leftovers.orphans(loaded)


def test_the_next_namespace_may_have_the_number_of_one_that_is_gone() -> None:
    """So a place is identified by the cookie too, where the kernel has that (5.14)."""
    with Namespace("here") as here:
        with here.inside():
            inode, cookie = netns.inode(), netns.cookie()
            assert netns.is_this(inode, cookie)
            assert netns.is_this(inode, 0)
            assert not netns.is_this(inode, cookie + 1)
        assert netns.path_of(inode, cookie) == Path(here.path)
        assert netns.path_of(inode, cookie + 1) is None
        assert netns.inode() != inode, "the calling thread stays in its namespace"
    assert not cookie or netns.path_of(inode, cookie) is None
