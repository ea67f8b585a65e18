# SPDX-License-Identifier: MIT
"""Other people's programs on the interface: left alone, and no reason not to count."""

from __future__ import annotations

import pytest

from tests.kernel import leftovers
from tests.kernel.attached import (
    WAYS,
    attach,
    complaint,
    packets,
    send,
    send_back,
    state,
)
from tests.kernel.foreign import Foreign
from tests.kernel.program import Program
from tests.lab.lab import Lab

pytestmark = pytest.mark.kernel

SERVER = "tmserver"
FILTER = ("tc", "filter", "add", "dev", SERVER, "ingress")
IP_ONLY = ("protocol", "ip", "u32", "match", "u32", "0", "0", "classid", "1:1")


@pytest.mark.parametrize("mode", ["native", "generic", "native,generic"])
def test_an_xdp_program_is_left_alone_and_tc_counts(bare: tuple[Lab, Program], mode: str) -> None:
    lab, program = bare
    with Foreign(lab.server_end, "xdp") as theirs:
        hooks = leftovers.hooks(lab.server)
        for note in ("", " (was attached already)"):
            said = attach(program, SERVER, options=("--xdp", mode))
            assert f"{SERVER}: xdp off, tc tcx{note}\n" in said
            assert "it carries another XDP program (id " in said
            assert "left alone; tc counts" in said
        send(lab, 8)
        assert packets(program, SERVER) == (8, 0)
        program.run("detach")
        send(lab, 2)
        assert theirs.runs() == {"xdp": 10}
        assert leftovers.hooks(lab.server) == hooks


def test_once_it_is_gone_xdp_can_be_had(bare: tuple[Lab, Program]) -> None:
    lab, program = bare
    with Foreign(lab.server_end, "xdp"):
        attach(program, SERVER, options=("--xdp", "native"))
        send(lab, 3)

    complaint(program, 1, "attach", "--iface", SERVER, "--xdp", "native")
    said = attach(program, SERVER, options=("--xdp", "native", "--replace"))
    assert f"{SERVER}: xdp native, tc tcx (changed from xdp off, tc tcx: " in said
    send(lab, 4)
    assert packets(program, SERVER) == (7, 0)
    assert state(program, SERVER)["xdp_mode"] == "native"


def test_with_xdp_alone_nothing_would_count(bare: tuple[Lab, Program]) -> None:
    lab, program = bare
    with Foreign(lab.server_end, "xdp") as theirs:
        said = complaint(
            program, 2, "attach", "--iface", SERVER, "--layer", "xdp", "--xdp", "native"
        )
        assert "it carries another XDP program" in said
        assert not program.pin_dir.exists()
        send(lab, 2)
        assert theirs.runs() == {"xdp": 2}


@pytest.mark.parametrize("way", list(WAYS))
def test_tcx_programs_and_filters_run_beside_ours(bare: tuple[Lab, Program], way: str) -> None:
    lab, program = bare
    with Foreign(lab.server_end, "tcx", "filter") as theirs:
        hooks = leftovers.hooks(lab.server)
        attach(program, SERVER, options=WAYS[way])
        send(lab, 5)
        send_back(lab, 3)
        assert packets(program, SERVER) == (5, 3)
        attach(program, SERVER, options=(*WAYS[way], "--replace"))
        send(lab, 5)
        assert packets(program, SERVER) == (10, 3)
        program.run("detach")
        send(lab, 5)
        assert theirs.runs() == {"tcx": 15, "filter": 15}
        assert leftovers.hooks(lab.server) == hooks


@pytest.mark.parametrize("way", list(WAYS))
def test_those_that_come_later_run_and_stay(bare: tuple[Lab, Program], way: str) -> None:
    lab, program = bare
    attach(program, SERVER, options=WAYS[way])
    kinds = ("tcx",) if way == "clsact" else ("tcx", "filter")  # its qdisc is ours there
    with Foreign(lab.server_end, *kinds) as theirs:
        send(lab, 5)
        assert packets(program, SERVER) == (5, 0)
        program.run("detach")
        send(lab, 5)
        assert theirs.runs() == dict.fromkeys(kinds, 10)


def test_a_filter_that_comes_later_keeps_our_qdisc(bare: tuple[Lab, Program]) -> None:
    lab, program = bare
    attach(program, SERVER, options=WAYS["clsact"])
    lab.server.run([*FILTER, "prio", "9", *IP_ONLY])
    send(lab, 5)
    assert packets(program, SERVER) == (5, 0)
    program.run("detach")

    hooks = leftovers.hooks(lab.server)
    assert "qdisc clsact" in hooks
    assert "pref 9 u32" in hooks
    assert "tm_tc_" not in hooks


def test_an_empty_qdisc_of_theirs_stays(bare: tuple[Lab, Program]) -> None:
    lab, program = bare
    lab.server.run(["tc", "qdisc", "add", "dev", SERVER, "clsact"])
    hooks = leftovers.hooks(lab.server)
    attach(program, SERVER, options=WAYS["clsact"])
    program.run("detach")

    assert leftovers.hooks(lab.server) == hooks


def test_where_the_first_priority_is_taken_ours_is_the_next(bare: tuple[Lab, Program]) -> None:
    """A priority has filters of one kind and protocol."""
    lab, program = bare
    lab.server.run(["tc", "qdisc", "add", "dev", SERVER, "clsact"])
    lab.server.run([*FILTER, "prio", "1", *IP_ONLY])
    hooks = leftovers.hooks(lab.server)
    said = attach(program, SERVER, options=WAYS["clsact"])
    assert "filters of others come first: what they settle is not counted" in said
    send(lab, 5)
    send_back(lab, 2)

    assert packets(program, SERVER) == (5, 2)
    program.run("detach")
    assert leftovers.hooks(lab.server) == hooks
