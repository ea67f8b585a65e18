# SPDX-License-Identifier: MIT
"""Who takes away what at an interface: each face says so, and attach puts it back.

The witness of what passed is the interface's own counter. What is still attached counts on while
something else is away, and no total ever falls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer

import pytest

from tests.kernel import leftovers
from tests.kernel.attached import attach, packets, program_in, send, send_back
from tests.kernel.everyday import mostly_long
from tests.kernel.foreign import Foreign, given_another_program, pinned_program
from tests.kernel.needs import USUAL_TC, needs_tcx
from tests.kernel.program import Program
from tests.kernel.reported_state import ReportedState, hooks_of
from tests.lab.counters import interface_counters
from tests.lab.lab import Lab
from tests.lab.namespace import Namespace
from tests.lab.veth import Endpoint, connect
from tests.waiting import wait_until

pytestmark = pytest.mark.kernel

CLIENT, SERVER = "tmclient", "tmserver"
OPTIONS = {
    "tcx": ("--tc", "tcx"),
    "clsact": ("--tc", "clsact"),
    "native": ("--xdp", "native"),
}
HOOKS = {"tcx": ("tc_rx", "tc_tx"), "clsact": ("tc_rx", "tc_tx"), "native": ("xdp", "tc_tx")}


@dataclass
class Stage:
    """``expected``: packets in and out that passed while their hook was there."""

    lab: Lab
    program: Program
    way: str
    end: Endpoint
    expected: list[int] = field(default_factory=lambda: [0, 0])
    seen: tuple[int, int] = (0, 0)

    def link(self, hook: str) -> Path:
        return self.program.pin_dir / "links" / f"{hook}_0"

    def traffic(self, rx: int, tx: int, *, away: tuple[str, ...] = ()) -> None:
        """So many packets, while the hooks ``away`` are not there; totals do not fall."""
        before = interface_counters(self.end)
        send(self.lab, rx)
        send_back(self.lab, tx)
        after = interface_counters(self.end)
        passed = after.rx.packets - before.rx.packets, after.tx.packets - before.tx.packets
        assert passed == (rx, tx)
        receiver, sender = HOOKS[self.way]
        self.expected[0] += 0 if receiver in away else rx
        self.expected[1] += 0 if sender in away else tx
        self.look()

    def look(self) -> None:
        """Exact, and never less than before."""
        now = packets(self.program, SERVER)
        assert now[0] >= self.seen[0]
        assert now[1] >= self.seen[1]
        assert now == tuple(self.expected)
        self.seen = now

    def tc(self, *arguments: str) -> None:
        self.lab.server.run(["tc", *arguments])


@contextmanager
def staged(way: str, lab: Lab | None = None) -> Iterator[Stage]:
    with ExitStack() as stack:
        lab = lab or stack.enter_context(Lab())
        program = stack.enter_context(program_in(lab.server))
        attach(program, SERVER, options=OPTIONS[way])
        yield Stage(lab, program, way, lab.server_end)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Of all tests that leave its interfaces where they are."""
    with Lab() as made:
        yield made


@pytest.fixture(autouse=True)
def _nothing_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "lab" in request.fixturenames:
        shared: Lab = request.getfixturevalue("lab")
        shared.server.run(["tc", "qdisc", "del", "dev", SERVER, "clsact"], check=False)


def detach_by_force(stage: Stage, *hooks: str) -> None:
    for hook in hooks:
        stage.lab.server.run(["bpftool", "link", "detach", "pinned", str(stage.link(hook))])


def unlink(stage: Stage, part: str, *hooks: str) -> None:
    for hook in hooks:
        (stage.program.pin_dir / part / f"{hook}_0").unlink()


def replace_filter(stage: Stage) -> None:
    """Another program in the place of our filter on ingress."""
    said = stage.lab.server.run(["tc", "filter", "show", "dev", SERVER, "ingress"]).stdout
    handle = said.partition("handle ")[2].split()[0]
    with pinned_program("filter") as pin:
        stage.tc(
            *("filter", "replace", "dev", SERVER, "ingress", "prio", "1", "handle", handle),
            *("bpf", "direct-action", "object-pinned", str(pin)),
        )


@dataclass(frozen=True)
class Case:
    """After ``take`` the ``wrong`` hooks are in ``state``, and ``why`` is said."""

    way: str
    take: Callable[[Stage], None]
    wrong: tuple[str, ...]
    why: str
    state: str = "gone"
    counts_on: bool = False

    @property
    def away(self) -> tuple[str, ...]:
        return () if self.counts_on else self.wrong


FORCE, PIN = "its link was detached by force", "the pin of its link was removed"
FILTER = "its filter was deleted, or the clsact qdisc with it"
PROGRAM_PIN = "the pin of its program was removed"
CASES = {
    "tcx ingress detached": Case("tcx", lambda s: detach_by_force(s, "tc_rx"), ("tc_rx",), FORCE),
    "tcx egress detached": Case("tcx", lambda s: detach_by_force(s, "tc_tx"), ("tc_tx",), FORCE),
    "tcx both detached": Case(
        "tcx", lambda s: detach_by_force(s, "tc_rx", "tc_tx"), ("tc_rx", "tc_tx"), FORCE
    ),
    "tcx link's pin removed": Case("tcx", lambda s: unlink(s, "links", "tc_rx"), ("tc_rx",), PIN),
    "tcx program's pin removed": Case(
        *("tcx", lambda s: unlink(s, "progs", "tc_rx"), ("tc_rx",), PROGRAM_PIN, "unpinned"),
        counts_on=True,
    ),
    "tcx link given another program": Case(
        "tcx",
        lambda s: given_another_program(s.link("tc_rx"), "tcx"),
        ("tc_rx",),
        "its link was given another program",
        "replaced",
    ),
    "xdp detached": Case("native", lambda s: detach_by_force(s, "xdp"), ("xdp",), FORCE),
    "xdp's pin removed": Case("native", lambda s: unlink(s, "links", "xdp"), ("xdp",), PIN),
    "qdisc deleted": Case(
        "clsact",
        lambda s: s.tc("qdisc", "del", "dev", SERVER, "clsact"),
        ("tc_rx", "tc_tx"),
        FILTER,
    ),
    "filter deleted": Case(
        "clsact", lambda s: s.tc("filter", "del", "dev", SERVER, "egress"), ("tc_tx",), FILTER
    ),
    "filter replaced": Case(
        "clsact", replace_filter, ("tc_rx",), "another filter is in its place", "replaced"
    ),
    "filter's program pin removed": Case(
        *("clsact", lambda s: unlink(s, "progs", "tc_rx"), ("tc_rx",), PROGRAM_PIN, "unpinned"),
        counts_on=True,
    ),
}


@pytest.mark.parametrize(
    "name", mostly_long(CASES, "tcx ingress detached", "xdp detached", "qdisc deleted")
)
def test_what_is_taken_away_is_reported_and_put_back(lab: Lab, name: str) -> None:
    """Once by the same attach, once by --replace; at last detach takes off what is left of it."""
    case, hooks = CASES[name], leftovers.hooks(lab.server)
    with staged(case.way, lab) as stage:
        again = ("attach", "--iface", SERVER, *OPTIONS[case.way])
        reported = ReportedState(stage.program)
        stage.traffic(5, 3)
        reported.nothing()
        for repair in (again, ("attach", "--replace")):
            case.take(stage)
            reported.wrong(case.wrong, case.state, case.why)
            stage.traffic(7, 4, away=case.away)
            said = stage.program.run(*repair).stdout
            assert "put back" in said
            assert case.why in said
            reported.nothing()
            stage.look()
            stage.traffic(2, 6)
        assert "was attached already" in stage.program.run(*again).stdout
        case.take(stage)
    left = leftovers.hooks(lab.server)  # of ours nothing, and all of others
    assert "tm_" not in left
    assert left.count("foreign_filter") == 3 if name == "filter replaced" else left == hooks


def test_another_xdp_program_stays_and_tc_counts(lab: Lab) -> None:
    with staged("native", lab) as stage:
        reported = ReportedState(stage.program)
        stage.traffic(5, 3)
        detach_by_force(stage, "xdp")
        with Foreign(stage.end, "xdp") as theirs:
            reported.wrong(("xdp",), "replaced", "its link was detached by force, and program ")
            stage.traffic(4, 2, away=("xdp",))
            attach(stage.program, SERVER, options=OPTIONS["native"])
            reported.nothing()
            stage.traffic(3, 1)
            assert theirs.runs() == {"xdp": 7}
            (interface,) = stage.program.status()["interfaces"]
            assert (interface["xdp_mode"], interface["tc_mode"]) == ("off", USUAL_TC)
            assert interface["layers"][0]["foreign_programs"]


@pytest.mark.parametrize("way", ["tcx", "clsact"])
def test_a_program_that_comes_before_ours_is_reported(lab: Lab, way: str) -> None:
    """It is not wrong, but what is counted is not what is on the wire."""
    needs_tcx()
    with staged(way, lab) as stage, Foreign(stage.end, "tcx") as theirs:
        reported = ReportedState(stage.program)
        reported.foreign("tc_rx", "come before ours on the way in")
        stage.traffic(4, 2)
        assert theirs.runs() == {"tcx": 4}
        attach(stage.program, SERVER, options=(*OPTIONS[way], "--replace"))
        stage.traffic(1, 1)
        assert theirs.runs() == {"tcx": 5}


@pytest.mark.parametrize("way", list(OPTIONS))
def test_an_interface_that_was_made_again_is_put_back_by_replace_too(way: str) -> None:
    with staged(way) as stage:
        stage.traffic(5, 3)
        stage.lab.server.run(["ip", "link", "delete", SERVER])
        reported = ReportedState(stage.program)
        reported.gone(f"{SERVER} was removed; its counters keep their values")
        connect(stage.lab.client, stage.lab.server, names=(CLIENT, SERVER), network=1)
        reported.gone(f"{SERVER} was removed and is back as number")
        stage.traffic(7, 4, away=HOOKS[way])
        stage.program.run("attach", "--replace")
        reported.nothing()
        stage.traffic(2, 6)
        (interface,) = stage.program.status()["interfaces"]
        assert interface["xdp_mode"] == ("native" if way == "native" else "off")
        assert interface["tc_mode"] == (USUAL_TC if way == "native" else way)


@pytest.mark.parametrize("way", list(OPTIONS))
def test_a_deleted_network_namespace_is_reported_from_outside(way: str) -> None:
    with Namespace("here") as here, program_in(here) as program:
        with Namespace("there") as there:
            connect(here, there, names=("tmhere", "tmthere"))
            attach(Program(there, program.pin_dir), "tmthere", options=OPTIONS[way])
            assert program.status()["problems"] == []
        # the kernel takes its time to end a network namespace
        wait_until(lambda: any(h["state"] == "gone" for h in hooks_of(program.status())))
        reported = ReportedState(program)
        reported.gone("tmthere was removed with its network namespace")
        reported.wrong(HOOKS[way], "gone", "its network namespace was deleted")


def test_what_moved_away_is_counted_there() -> None:
    """By its links: a clsact qdisc does not go with its interface."""
    needs_tcx()
    with staged("tcx") as stage, Namespace("away") as away:
        stage.lab.server.run(["ip", "link", "set", SERVER, "netns", away.name])
        reported = ReportedState(stage.program)
        reported.gone(f"{SERVER} moved to another network namespace and is counted there")
        reported.wrong(HOOKS["tcx"], "gone", "its interface has moved to another network namespace")


def test_a_running_view_reports_it_when_it_occurs(lab: Lab) -> None:
    needs_tcx()
    note = f"note: {SERVER} (tc_rx) is not counted: its link was detached by force"
    with staged("tcx", lab) as stage:
        timer = Timer(2.0, detach_by_force, (stage, "tc_rx"))
        timer.start()
        with stage.program.running("top", "interfaces", "--watch", "0.2", until=note) as running:
            assert running.lines()
        timer.join()
