# SPDX-License-Identifier: MIT
"""Attach and detach repeated, in part, all at once, and failing half-way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.kernel import leftovers
from tests.kernel.attached import (
    WAYS,
    attach,
    complaint,
    interface_row,
    lock_of,
    packets,
    send,
    send_back,
    state,
)
from tests.kernel.program import Program
from tests.lab import raw
from tests.lab.lab import Lab
from tests.lab.veth import Link, connect

pytestmark = pytest.mark.kernel

SERVER, SECOND, THIRD = "tmserver", "tmsecond", "tmthird"


def more(lab: Lab, name: str, network: int) -> Link:
    """One more veth pair; the server's end is called ``name``."""
    return connect(lab.client, lab.server, names=(f"{name}0", name), network=network)


def program_ids(program: Program, name: str) -> list[int]:
    return [layer["program_id"] for layer in state(program, name)["layers"]]


@pytest.mark.parametrize("way", list(WAYS))
def test_attaching_twice_changes_nothing(bare: tuple[Lab, Program], way: str) -> None:
    lab, program = bare
    attach(program, SERVER, options=WAYS[way])
    before = program_ids(program, SERVER)
    send(lab, 7)

    assert "(was attached already)" in attach(program, SERVER, options=WAYS[way])
    assert program_ids(program, SERVER) == before
    send(lab, 5)
    send_back(lab, 3)
    assert packets(program, SERVER) == (12, 3)


def test_an_unavailable_mode_may_be_requested_again(bare: tuple[Lab, Program]) -> None:
    _, program = bare
    first = attach(program, SERVER, options=("--xdp", "offload"))
    again = attach(program, SERVER, options=("--xdp", "offload"))

    assert f"{SERVER}: xdp off, tc tcx" in first
    assert "  xdp: offload: " in first
    assert "(was attached already)" in again
    assert "  xdp: offload: " in again


def test_another_mode_takes_replace(bare: tuple[Lab, Program]) -> None:
    _, program = bare
    attach(program, SERVER)
    before = program_ids(program, SERVER)

    for options in (("--xdp", "native"), ("--tc", "clsact"), ("--layer", "xdp", "--xdp", "native")):
        said = complaint(program, 1, "attach", "--iface", SERVER, *options)
        assert "attached with xdp off, tc tcx; 'attach --replace' changes that" in said
    assert program_ids(program, SERVER) == before


def test_detaching_twice_and_without_an_attach(bare: tuple[Lab, Program]) -> None:
    _, program = bare
    assert program.run("detach").stdout == "nothing was attached\n"
    assert not program.pin_dir.exists()
    attach(program, SERVER)
    assert program.run("detach").stdout == f"detached from {SERVER}\n"
    assert program.run("detach").stdout == "nothing was attached\n"
    assert not lock_of(program).exists()
    for command in (("status",), ("status", "--json"), ("top", "flows"), ("top", "layers")):
        assert "trafficmon attach" in complaint(program, 3, *command)


@pytest.mark.parametrize("way", list(WAYS))
def test_interfaces_join_and_leave(bare: tuple[Lab, Program], way: str) -> None:
    lab, program = bare
    second = more(lab, SECOND, 2)
    hooks = leftovers.hooks(lab.server)
    attach(program, SERVER, options=WAYS[way])
    send(lab, 4)
    attach(program, SECOND, options=WAYS[way])
    send(lab, 4)
    raw.arp_broadcast(second.left, "10.0.2.77", 9)
    assert packets(program, SERVER) == (8, 0)
    assert packets(program, SECOND) == (9, 0)

    said = complaint(program, 2, "detach", "--iface", "tmnone")
    assert f"attached: {SECOND}, {SERVER}" in said
    assert program.run("detach", "--iface", SERVER).stdout == f"detached from {SERVER}\n"
    send(lab, 100)
    raw.arp_broadcast(second.left, "10.0.2.77", 1)
    assert packets(program, SERVER) == (8, 0)
    assert packets(program, SECOND) == (10, 0)
    assert state(program, SERVER)["state"] == "detached"
    assert program.run("detach", "--iface", SERVER).stdout == "nothing was attached\n"

    attach(program, SERVER, options=WAYS[way])
    send(lab, 2)
    assert packets(program, SERVER) == (10, 0)
    program.run("detach", "--iface", SERVER, "--iface", SECOND)
    assert not program.pin_dir.exists()
    assert leftovers.hooks(lab.server) == hooks


def test_attaches_at_the_same_time_end_well(bare: tuple[Lab, Program]) -> None:
    lab, program = bare
    links = {name: more(lab, name, network) for network, name in ((2, SECOND), (3, THIRD))}
    names = [SERVER, SECOND, THIRD, SERVER]
    with ThreadPoolExecutor(len(names)) as pool:
        said = list(pool.map(lambda name: attach(program, name), names))

    assert sorted(line.split(":")[0] for text in said for line in text.splitlines()[:1]) == sorted(
        names
    )
    assert sum("(was attached already)" in text for text in said) == 1
    assert {i["state"] for i in program.status()["interfaces"]} == {"attached"}
    send(lab, 3)
    for link in links.values():
        raw.arp_broadcast(link.left, "10.0.9.77", 3)
    assert [packets(program, name) for name in (SERVER, SECOND, THIRD)] == [(3, 0)] * 3


def test_attach_and_detach_at_the_same_time_end_well(bare: tuple[Lab, Program]) -> None:
    lab, program = bare
    hooks = leftovers.hooks(lab.server)
    commands = (("attach", "--iface", SERVER, "--tc", "clsact"), ("detach",)) * 3
    with ThreadPoolExecutor(len(commands)) as pool:
        list(pool.map(lambda command: program.run(*command), commands))

    if program.run("status", check=False).returncode == 0:
        send(lab, 3)
        assert packets(program, SERVER) == (3, 0)
    program.run("detach")
    assert leftovers.hooks(lab.server) == hooks
    assert not program.pin_dir.exists()


def without_room_for_clsact(lab: Lab, name: str, network: int) -> str:
    """An interface with a classic ingress qdisc: clsact would have to take its place."""
    more(lab, name, network)
    lab.server.run(["tc", "qdisc", "add", "dev", name, "ingress"])
    return name


def test_all_interfaces_or_none(bare: tuple[Lab, Program]) -> None:
    lab, program = bare
    full = without_room_for_clsact(lab, SECOND, 2)
    hooks, loaded = leftovers.hooks(lab.server), leftovers.loaded()

    said = complaint(program, 1, "attach", f"--iface={SERVER}", f"--iface={full}", "--tc=clsact")
    assert "has an ingress qdisc" in said
    assert f"tc qdisc del dev {full} ingress" in said
    assert not program.pin_dir.exists()
    assert leftovers.hooks(lab.server) == hooks
    assert not leftovers.orphans(loaded)


def test_what_was_attached_before_a_failure_continues(bare: tuple[Lab, Program]) -> None:
    lab, program = bare
    full = without_room_for_clsact(lab, SECOND, 2)
    more(lab, THIRD, 3)
    attach(program, SERVER)
    before = program_ids(program, SERVER)
    hooks = leftovers.hooks(lab.server)
    send(lab, 3)

    complaint(program, 1, "attach", f"--iface={THIRD}", f"--iface={full}", "--tc=clsact")
    send(lab, 3)
    assert packets(program, SERVER) == (6, 0)
    assert program_ids(program, SERVER) == before
    assert [i["interface"] for i in program.status()["interfaces"]] == [SERVER]
    assert leftovers.hooks(lab.server) == hooks


@pytest.mark.parametrize("way", ["tcx", "native"])
def test_a_change_that_fails_is_taken_back(bare: tuple[Lab, Program], way: str) -> None:
    lab, program = bare
    full = without_room_for_clsact(lab, SECOND, 2)
    attach(program, SERVER, full, options=WAYS[way])
    before = {name: state(program, name) for name in (SERVER, full)}
    send(lab, 3)

    complaint(program, 1, "attach", "--replace", "--xdp", "generic", "--tc", "clsact")
    send(lab, 4)
    send_back(lab, 2)
    for name, was in before.items():
        now = state(program, name)
        for field in ("state", "xdp_mode", "xdp_reason", "tc_mode"):
            assert now[field] == was[field]
    assert packets(program, SERVER) == (7, 2)
    assert interface_row(program, SERVER)["non_ip_packets"] == 9
