# SPDX-License-Identifier: MIT
"""Names have a life time: what remembers them neither grows without end nor shows old ones."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from trafficmon.host import cgroup_tree, reverse_dns, users
from trafficmon.host.cgroup_tree import CgroupTree
from trafficmon.host.identities import Identities
from trafficmon.host.processes import ProcessNames
from trafficmon.host.reverse_dns import ReverseDns
from trafficmon.host.users import UserNames
from trafficmon.layout import OWNER
from trafficmon.model.owners import Owners


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


class TestUsers:
    def test_a_renamed_user_is_noticed_within_a_minute(
        self, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A directory service changes no file here."""
        directory = {7: "before"}
        monkeypatch.setattr(users, "_look_up", directory.get)
        names = UserNames("/nothing", clock)
        assert names.name(7) == "before"
        directory[7] = "after"
        clock.now += 59
        assert names.name(7) == "before"
        clock.now += 1
        assert names.name(7) == "after"

    def test_it_is_bounded(self, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(users, "_look_up", str)
        names = UserNames("/nothing", clock)
        for uid in range(3 * users._KEPT):
            assert names.name(uid) == str(uid)
        assert len(names._known) <= users._KEPT


class TestCgroups:
    def test_one_that_cannot_be_found_is_not_looked_for_all_the_time(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
    ) -> None:
        """A walk over all cgroups costs much, and a dashboard shows removed ones for months."""
        walks = []
        real = CgroupTree._walk

        def counted(self: CgroupTree, root: Path) -> None:
            walks.append(root)
            real(self, root)

        monkeypatch.setattr(CgroupTree, "_walk", counted)
        monkeypatch.setattr("time.monotonic", clock)
        tree = CgroupTree(tmp_path)
        for _ in range(50):
            clock.now += 1
            assert tree.path(1) is None
        assert len(walks) == 1
        clock.now += 60
        assert tree.path(1) is None
        assert len(walks) == 2

    def test_a_new_one_is_found_at_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
    ) -> None:
        monkeypatch.setattr("time.monotonic", clock)
        tree = CgroupTree(tmp_path)
        assert tree.path(1) is None
        (tmp_path / "new").mkdir()
        clock.now += 1
        assert tree.path((tmp_path / "new").stat().st_ino) == "/new"

    def test_it_is_bounded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cgroup_tree, "_KEPT", 10)
        monkeypatch.setattr(cgroup_tree, "_PAUSE_S", 0.0)
        for number in range(30):
            (tmp_path / str(number)).mkdir()
        tree = CgroupTree(tmp_path)
        for unknown in range(1, 30):
            assert tree.path(unknown) is None
        assert len(tree.known()) <= 10
        assert len(tree._missing) <= 10


def process(proc: Path, pid: int, ticks: int, comm: str) -> None:
    """As proc(5) has it."""
    folder = proc / str(pid)
    folder.mkdir(exist_ok=True)
    (folder / "stat").write_text(f"{pid} ({comm}) S {' '.join(['0'] * 18)} {ticks} 0\n")
    (folder / "comm").write_text(f"{comm}\n")
    (folder / "cmdline").write_text(f"/bin/{comm}\0")


def owners(*rows: tuple[int, int]) -> Owners:
    """Of pid and start."""
    records = np.zeros(len(rows), OWNER)
    records["pid"], records["started_ns"] = np.array(rows).T if rows else ([], [])
    return Owners(np.arange(1, len(rows) + 1, dtype=np.uint64), records)


class TestProcesses:
    TICK_NS = 10_000_000  # 100 ticks a second

    @pytest.fixture
    def identities(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Identities:
        monkeypatch.setattr("trafficmon.host.clock.namespace_offset_ns", lambda _: 0)
        made = Identities()
        made.processes = ProcessNames(str(tmp_path))
        return made

    def test_a_reused_pid_is_another_process(self, identities: Identities, tmp_path: Path) -> None:
        process(tmp_path, 50, 100, "first")
        before = identities.names(owners((50, 100 * self.TICK_NS)), lambda _: None)
        process(tmp_path, 50, 700, "second")
        both = owners((50, 100 * self.TICK_NS), (50, 700 * self.TICK_NS))
        after = identities.names(both, lambda _: None)
        assert before.processes[1].comm == "first"
        assert after.processes[1].comm == "first"
        assert not after.processes[1].is_running
        assert after.processes[2].comm == "second"

    def test_one_that_renames_itself_has_its_new_name(
        self, identities: Identities, tmp_path: Path
    ) -> None:
        for comm in ("old", "new"):
            process(tmp_path, 50, 100, comm)
            names = identities.names(owners((50, 100 * self.TICK_NS)), lambda _: None)
            assert names.processes[1].comm == comm

    def test_what_is_not_an_owner_any_more_is_forgotten(
        self, identities: Identities, tmp_path: Path
    ) -> None:
        """For months, with a process a second: no more is kept than the last sample shows."""
        for pid in range(1, 200):
            process(tmp_path, pid, pid, f"p{pid}")
            identities.names(owners((pid, pid * self.TICK_NS)), lambda _: None)
            assert len(identities.processes._known) == 1


class TestReverseDns:
    @staticmethod
    def name(resolver: ReverseDns, address: str) -> str | None:
        row = {"remote_addr": address, "remote_name": None}
        resolver.add_names([row])
        return row["remote_name"]

    @pytest.mark.parametrize("first", ["before", None])
    def test_an_answer_holds_for_a_few_minutes(self, clock: Clock, first: str | None) -> None:
        zone = {"10.0.0.1": first}
        resolver = ReverseDns(zone.get, clock)
        assert self.name(resolver, "10.0.0.1") == first
        zone["10.0.0.1"] = "after"
        clock.now += 299
        assert self.name(resolver, "10.0.0.1") == first
        clock.now += 1
        assert self.name(resolver, "10.0.0.1") == "after"

    def test_it_is_bounded(self, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reverse_dns, "_KEPT", 10)
        resolver = ReverseDns(str, clock)
        for number in range(40):
            assert self.name(resolver, f"10.0.0.{number}") == f"10.0.0.{number}"
        assert len(resolver._known) == 10

    def test_a_pending_query_is_not_sent_again(
        self, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A resolver that hangs would get a thread more with each round."""
        monkeypatch.setattr(reverse_dns, "_PATIENCE_S", 0.01)
        answer, requested = threading.Event(), []

        def look_up(address: str) -> str | None:
            requested.append(address)
            answer.wait(10)
            return "late"

        resolver = ReverseDns(look_up, clock)
        for _ in range(5):
            assert self.name(resolver, "10.0.0.1") is None
        assert requested == ["10.0.0.1"]
        answer.set()
