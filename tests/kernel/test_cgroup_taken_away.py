# SPDX-License-Identifier: MIT
"""Who takes away what of the host's hooks: above all a watched cgroup that is made again.

Any restarted service does that. Each face says so, and attach puts it back. The witness is nftables
at the other end, of the same datagrams; what they carry is what applications gave and took.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import pytest

from tests.kernel.foreign import given_another_program, pinned_program
from tests.kernel.owned import CLIENT, SERVER, Place, place_of, sums_agree
from tests.kernel.program import Program, free_pin_dir
from tests.kernel.reported_state import ReportedState
from tests.lab.cgroup import own_cgroup, remove_cgroup
from tests.lab.lab import Lab
from tests.lab.worker import Worker
from trafficmon.host.cgroups import Cgroup
from trafficmon.libbpf.link import attach_cgroup
from trafficmon.libbpf.object import Program as BpfProgram
from trafficmon.uapi import AttachType

pytestmark = pytest.mark.kernel

ON_CGROUP = ("sock_create", "sock_release", "cgroup_rx", "cgroup_tx", "sock_ops")
BY_LINK = (*ON_CGROUP, "tcp_read", "send_length", "receive_length", "drop")
PAYLOAD = 100
MADE_AGAIN = "was removed and made again"


@dataclass
class Stage:
    """``expected``: what passed while the hook that counts it was there."""

    place: Place
    server: Worker
    client: Worker
    expected: dict[str, int] = field(default_factory=dict)

    def traffic(self, there: int, back: int, *, away: tuple[str, ...] = ()) -> None:
        """So many datagrams, while the hooks ``away`` are not there; totals do not fall."""
        before = self.place.counted_at_client()
        self.client.do(f"for _ in range({there}): c.sendto(bytes({PAYLOAD}), ('{SERVER}', 5000))")
        self.server.do(f"for _ in range({there}): s.recv(1000)")
        self.server.do(f"for _ in range({back}): s.sendto(bytes({PAYLOAD}), ('{CLIENT}', 6000))")
        self.client.do(f"for _ in range({back}): c.recv(1000)")
        after = self.place.counted_at_client()
        arrived, left = (
            tuple(now - then for now, then in zip(*both, strict=True))
            for both in zip(after, before, strict=True)
        )
        assert (arrived[0], left[0]) == (back, there)
        for hook, names, counts in (
            ("cgroup_rx", ("rx_packets", "rx_bytes"), left),
            ("cgroup_tx", ("tx_packets", "tx_bytes"), arrived),
            ("receive_length", ("app_rx_bytes",), (there * PAYLOAD,)),
            ("send_length", ("app_tx_bytes",), (back * PAYLOAD,)),
        ):
            for name, count in zip(names, counts, strict=True):
                self.expected.setdefault(name, 0)
                self.expected[name] += 0 if hook in away else count
        self.look()

    def look(self) -> None:
        """Users, processes, cgroups and layers: exact."""
        sums = sums_agree(self.place)
        assert {name: sums[name] for name in self.expected} == self.expected

    def open_server(self) -> None:
        self.server = self.place.server("tm-server")
        listening = "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
        self.server.do(listening, f"s.bind(('{SERVER}', 5000))")

    def repair(self, *how: str) -> str:
        named = ("--iface", self.place.lab.server_if) if not how else ()
        cgroup = ("--cgroup", str(self.place.cgroup))
        return self.place.program.run("attach", *named, *cgroup, *how).stdout


@contextmanager
def staged(place: Place) -> Iterator[Stage]:
    place.count_at_client()
    client = place.client()
    client.do("c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)", f"c.bind(('{CLIENT}', 6000))")
    stage = Stage(place, client, client)
    stage.open_server()
    stage.traffic(5, 3)
    yield stage


@pytest.fixture
def stage() -> Iterator[Stage]:
    with place_of(attach=True) as place, staged(place) as made:
        yield made


def make_again(stage: Stage) -> None:
    """As a service manager does when it restarts a service."""
    remove(stage)
    stage.place.cgroup.mkdir()
    stage.open_server()


def remove(stage: Stage) -> None:
    stage.server.end()
    remove_cgroup(stage.place.cgroup)


def test_a_recreated_cgroup_is_reported_and_watched_again(stage: Stage) -> None:
    """What was counted stays; the processes of the new one are counted on top of it."""
    reported = ReportedState(stage.place.program, "users")
    reported.nothing()
    for how in ((), ("--replace",)):
        make_again(stage)
        reported.wrong(BY_LINK, "gone", MADE_AGAIN)
        stage.traffic(7, 4, away=BY_LINK)
        assert MADE_AGAIN in stage.repair(*how)
        reported.nothing()
        stage.look()
        stage.client.do(f"c.sendto(bytes({PAYLOAD}), ('{SERVER}', 5000))")
        row = stage.place.process(stage.server)  # it has done nothing since, and is known
        assert (row["rx_packets"], row["rx_bytes"]) == (1, PAYLOAD + 28)
        stage.server.do("s.recv(1000)")
        for name, count in zip(("rx_packets", "rx_bytes"), (1, PAYLOAD + 28), strict=True):
            stage.expected[name] += count
        stage.expected["app_rx_bytes"] += PAYLOAD
        stage.traffic(2, 6)
    assert "was attached already" in stage.repair()
    make_again(stage)
    stage.place.program.run("detach")
    assert not stage.place.program.pin_dir.exists()


def test_a_cgroup_that_is_not_there_can_wait(stage: Stage) -> None:
    reported = ReportedState(stage.place.program, "users")
    remove(stage)
    reported.wrong(BY_LINK, "gone", "was removed")
    said = stage.place.program.run("attach", "--replace", "--layer", "xdp,tc,cgroup,app").stdout
    assert f"the cgroup {stage.place.cgroup} is not there; attach again when it is" in said
    stage.place.cgroup.mkdir()
    stage.open_server()
    stage.repair("--replace")
    reported.nothing()
    stage.traffic(2, 6)


@pytest.mark.long
def test_links_detached_by_force(stage: Stage) -> None:
    """Only what a hook counts is missing while it is away."""
    reported = ReportedState(stage.place.program, "users")
    for hooks, how in ((ON_CGROUP[:1], ()), (ON_CGROUP[1:3], ("--replace",)), (ON_CGROUP[3:], ())):
        for hook in hooks:
            pin = stage.place.program.pin_dir / "links" / hook
            stage.place.lab.server.run(["bpftool", "link", "detach", "pinned", str(pin)])
        reported.wrong(hooks, "gone", "its link was detached by force")
        stage.traffic(3, 2, away=hooks)
        assert "its link was detached by force" in stage.repair(*how)
        reported.nothing()
        stage.traffic(1, 1)


@pytest.mark.long
def test_pins_of_links_removed(stage: Stage) -> None:
    reported = ReportedState(stage.place.program, "interfaces")
    for hooks, how in ((BY_LINK[::2], ()), (BY_LINK[1::2], ("--replace",))):
        for hook in hooks:
            (stage.place.program.pin_dir / "links" / hook).unlink()
        reported.wrong(hooks, "gone", "the pin of its link was removed")
        stage.traffic(3, 2, away=hooks)
        assert "the pin of its link was removed" in stage.repair(*how)
        reported.nothing()
        stage.traffic(1, 1)


def test_pins_of_programs_removed(stage: Stage) -> None:
    """They count on, and are pinned again: the same programs."""
    before = {h["hook"]: h["program_id"] for h in stage.place.program.status()["layers"]}
    for hook in BY_LINK:
        (stage.place.program.pin_dir / "progs" / hook).unlink()
    reported = ReportedState(stage.place.program, "users")
    reported.wrong(BY_LINK, "unpinned", "the pin of its program was removed")
    stage.traffic(3, 2)
    stage.repair()
    reported.nothing()
    after = {h["hook"]: h["program_id"] for h in stage.place.program.status()["layers"]}
    assert after == before
    stage.traffic(1, 1)


def test_the_list_of_sockets_is_put_back(stage: Stage) -> None:
    (stage.place.program.pin_dir / "links" / "sockets").unlink()
    ReportedState(stage.place.program).wrong(
        ("sockets",), "gone", "the pin of its link was removed"
    )
    done = stage.place.program.run("top", "users", check=False)
    assert done.returncode == 3
    assert "the list of sockets was taken away; 'trafficmon attach --replace'" in done.stderr
    stage.repair("--replace")
    ReportedState(stage.place.program, "users").nothing()
    stage.traffic(1, 1)


@pytest.mark.long
def test_a_link_that_was_given_another_program(stage: Stage) -> None:
    reported = ReportedState(stage.place.program, "users")
    for how in ((), ("--replace",)):
        given_another_program(stage.place.program.pin_dir / "links" / "cgroup_rx", "cgroup")
        reported.wrong(("cgroup_rx",), "replaced", "its link was given another program")
        stage.traffic(3, 2, away=("cgroup_rx",))
        stage.repair(*how)
        reported.nothing()
        stage.traffic(1, 1)


def _end_all(place: Place) -> None:
    for worker in place.workers:
        worker.end()


def test_programs_of_others_on_a_cgroup_above_change_nothing() -> None:
    with ExitStack() as stack:
        above = stack.enter_context(own_cgroup("above"))
        lab = stack.enter_context(Lab())
        cgroup = stack.enter_context(own_cgroup("owners", below=above))
        place = Place(lab, Program(lab.server, free_pin_dir()), cgroup)
        stack.callback(place.program.run, "detach")
        stack.callback(_end_all, place)
        place.attach()
        stage = stack.enter_context(staged(place))
        pin = stack.enter_context(pinned_program("cgroup"))
        theirs = stack.enter_context(BpfProgram.from_pin(str(pin)))
        for where in (above, cgroup):
            with Cgroup(where) as there:
                stack.enter_context(attach_cgroup(theirs, there.fd, AttachType.CGROUP_INET_INGRESS))
        ReportedState(place.program, "users").nothing()
        stage.traffic(3, 2)
