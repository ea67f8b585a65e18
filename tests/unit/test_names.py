# SPDX-License-Identifier: MIT
"""Names of users, processes, cgroups and functions of the kernel."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.waiting import wait_until
from trafficmon.host import cgroup_tree, users
from trafficmon.host.cgroup_tree import CgroupTree
from trafficmon.host.kernel_symbols import KernelSymbols
from trafficmon.host.processes import ProcessNames
from trafficmon.host.users import UserNames
from trafficmon.model.cgroup_names import name_of
from trafficmon.model.names import ProcessName

ID = "0123456789abcdef" * 4
SHORT = "0123456789ab"

PATHS = {
    "/": (None, None, None),
    "/system.slice/nginx.service": ("nginx.service", None, None),
    "/system.slice/system-getty.slice/getty@tty1.service": ("getty@tty1.service", None, None),
    "/user.slice": ("user.slice", None, None),
    "/user.slice/user-1000.slice/user@1000.service/app.slice/app-a\\x2db.scope": (
        "app-a-b.scope",
        None,
        None,
    ),
    f"/system.slice/docker-{ID}.scope": (f"docker-{ID}.scope", ID, "docker"),
    f"/docker/{ID}": (None, ID, "docker"),
    f"/machine-outer.scope/docker-{ID}.scope": (f"docker-{ID}.scope", ID, "docker"),
    f"/docker/{SHORT}": (None, SHORT, "docker"),
    f"/kubepods.slice/kubepods-burstable.slice/cri-containerd-{ID}.scope": (
        f"cri-containerd-{ID}.scope",
        ID,
        "containerd",
    ),
    f"/kubepods/besteffort/pod1234/{ID}": (None, ID, "containerd"),
    f"/kubepods.slice/crio-{ID}.scope": (f"crio-{ID}.scope", ID, "cri-o"),
    f"/kubepods.slice/crio-conmon-{ID}.scope": (f"crio-conmon-{ID}.scope", None, None),
    f"/machine.slice/libpod-{ID}.scope/container": (f"libpod-{ID}.scope", ID, "podman"),
    f"/machine.slice/libpod-conmon-{ID}.scope": (f"libpod-conmon-{ID}.scope", None, None),
    "/machine.slice/systemd-nspawn@web.service/payload": (
        "systemd-nspawn@web.service",
        "web",
        "nspawn",
    ),
    "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope": (
        "machine-qemu-1-vm.scope",
        "qemu-1-vm",
        "machine",
    ),
    "/lxc.payload.web/system.slice/a.service": ("a.service", "web", "lxc"),
    "/lxc/web": (None, "web", "lxc"),
    f"/home/{ID}": (None, None, None),
}


@pytest.mark.parametrize("path", list(PATHS))
def test_what_a_path_says(path: str) -> None:
    said = name_of(path)
    assert (said.unit, said.container, said.runtime) == PATHS[path]


@given(st.text())
def test_no_path_is_too_strange(path: str) -> None:
    assert name_of(path).path == path


def test_users_are_looked_up_once_until_the_database_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requested: list[int] = []

    def look_up(uid: int) -> str | None:
        requested.append(uid)
        return {0: "root"}.get(uid)

    monkeypatch.setattr(users, "_look_up", look_up)
    database = tmp_path / "passwd"
    database.write_text("one")
    names = UserNames(str(database))
    assert [names.name(0), names.name(7), names.name(0), names.name(7)] == ["root", None] * 2
    assert requested == [0, 7]
    database.rename(tmp_path / "old")
    database.write_text("two")
    assert names.name(7) is None
    assert requested == [0, 7, 7]


@pytest.mark.parametrize("uid", [0, 4_294_967_295, 2**40])
def test_the_systems_own_users(uid: int) -> None:
    assert UserNames().name(uid) == ("root" if uid == 0 else None)


def test_cgroups_by_inode_also_when_they_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroup_tree, "_PAUSE_S", 0.0)
    below = tmp_path / "system.slice" / "a.service"
    below.mkdir(parents=True)
    tree = CgroupTree(tmp_path)
    number = below.stat().st_ino
    assert tree.path(tmp_path.stat().st_ino) == "/"
    assert tree.path(number) == "/system.slice/a.service"
    later = tmp_path / "later"
    later.mkdir()
    assert tree.path(later.stat().st_ino) == "/later"
    shutil.rmtree(below)
    assert tree.path(number) == "/system.slice/a.service"
    assert tree.path(1) is None
    assert CgroupTree(None).path(number) is None


def once(read: Callable[[], ProcessName | None], **fields: str) -> ProcessName:
    """The names of a process, once they have these values: it may not have called exec yet."""

    def found() -> ProcessName | None:
        name = read()
        return name if name and all(getattr(name, f) == v for f, v in fields.items()) else None

    return wait_until(found)  # type: ignore[return-value]


def started_ns(pid: int) -> int:
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    return ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK") + 1


def test_a_process_keeps_its_names_when_it_is_gone(tmp_path: Path) -> None:
    program = tmp_path / "odd) (name"
    shutil.copy(shutil.which("sleep") or "", program)
    names = ProcessNames()
    with subprocess.Popen([program, "600"]) as process:
        since = started_ns(process.pid)
        # in the midst of execve() it has its executable, and no arguments yet
        cmdline = f"{program} 600"
        found = once(lambda: names.name(process.pid, since), exe=str(program), cmdline=cmdline)
        assert found.comm == "odd) (name"
        assert names.name(process.pid, since + 5_000_000_000) is None
        other = names.name(process.pid, 0)
        assert other is not None
        assert other.comm == found.comm
        process.kill()
    assert names.name(process.pid, since) == replace(found, is_running=False)


def test_a_zombie_keeps_what_it_ran(tmp_path: Path) -> None:
    """/proc has nothing but its name then."""
    names = ProcessNames()
    with subprocess.Popen(["sleep", "600"]) as process:
        since = started_ns(process.pid)
        found = once(lambda: names.name(process.pid, since), comm="sleep")
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert names.name(process.pid, since) == replace(found, is_running=False)
        new = ProcessNames().name(process.pid, since)
        assert new == ProcessName("sleep", None, None, is_running=False)


@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_program_whose_name_says_deleted(tmp_path: Path, is_deleted: bool) -> None:
    """It may be, or be called so; or both."""
    program = tmp_path / "x (deleted)"
    shutil.copy(shutil.which("sleep") or "", program)
    (tmp_path / "x").write_text("another")
    with subprocess.Popen([program, "600"]) as process:
        once(lambda: ProcessNames().name(process.pid, 0), comm="x (deleted)")
        if is_deleted:
            program.unlink()
        again = ProcessNames().name(process.pid, 0)
        process.kill()
    assert again is not None
    assert again.exe == str(program)


def test_another_program_in_the_place_of_a_deleted_one(tmp_path: Path) -> None:
    """What is called so by chance is not what runs."""
    program = tmp_path / "x"
    shutil.copy(shutil.which("sleep") or "", program)
    with subprocess.Popen([program, "600"]) as process:
        once(lambda: ProcessNames().name(process.pid, 0), comm="x")
        program.unlink()
        (tmp_path / "x (deleted)").write_text("another")
        again = ProcessNames().name(process.pid, 0)
        process.kill()
    assert again is not None
    assert again.exe == str(program)


def test_a_program_that_was_deleted(tmp_path: Path) -> None:
    program = tmp_path / "gone"
    shutil.copy(shutil.which("sleep") or "", program)
    with subprocess.Popen([program, "600"]) as process:
        once(lambda: ProcessNames().name(process.pid, 0), comm="gone")
        program.unlink()
        again = ProcessNames().name(process.pid, 0)
        assert again is not None
        assert again.exe == str(program)
        process.kill()


def test_functions_by_address(tmp_path: Path) -> None:
    listing = tmp_path / "kallsyms"
    listing.write_text(
        "ffffffff81000000 T first\nffffffff81000100 t second\t[module]\n"
        "ffffffff81000050 d data\n0000000000000000 T hidden\n"
    )
    symbols = KernelSymbols(listing)
    assert symbols.name(0xFFFFFFFF81000080) == "first"
    assert symbols.name(0xFFFFFFFF81000100) == "second"
    assert symbols.name(0x10) == "0x10"
