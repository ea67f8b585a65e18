# SPDX-License-Identifier: MIT
"""BPF file systems that go with the command, that hide another, or that can only be read."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.kernel.attached import attach, complaint, program_in, refusal
from tests.kernel.private_mounts import PrivateMounts
from tests.kernel.program import free_pin_dir, within
from tests.lab import processes
from tests.lab.namespace import Namespace

pytestmark = pytest.mark.kernel

UNMOUNTED = "while umount -l /sys/fs/bpf 2>/dev/null; do :; done"
A_NEW_ONE = f"{UNMOUNTED}; mount -t bpf bpf /sys/fs/bpf"
CONTAINER = ("--pid", "--fork", "--mount-proc")
TRAFFICMON = f"{sys.executable} -m trafficmon"
MOUNTED = "note: mounted a BPF file system on /sys/fs/bpf\n"
GOES = "programs detached, when this command and its mount namespace end"
HIDDEN = "another BPF file system on /sys/fs/bpf is hidden by a later mount"
READ_ONLY = "/sys/fs/bpf is mounted read-only; make it writable: mount -o remount,rw /sys/fs/bpf"


class Alone:
    """`trafficmon` in a mount namespace that ends with the shell it is run by."""

    def __init__(self, namespace: Namespace) -> None:
        self.namespace, self.pins = namespace, f"--pin-dir={free_pin_dir()}"
        self.attach = " ".join([TRAFFICMON, *within(["attach", "--iface=lo", self.pins])])
        self.detach = f"{TRAFFICMON} detach {self.pins}"

    def run(self, script: str, *unshare: str) -> CompletedProcess[str]:
        # Linux 6.18 numbers namespaces by CPU, and binds a file only to a mount namespace with a
        # higher number than its own (mnt_ns_loop() in fs/namespace.c): so all is on one CPU.
        one_cpu = ["taskset", "--cpu-list", str(min(os.sched_getaffinity(0)))]
        argv = [*one_cpu, "unshare", "--mount", *unshare, "sh", "-c", script]
        return self.namespace.run(argv, timeout=60, check=False)

    def says(self, script: str, *unshare: str) -> str:
        return processes.check(self.run(script, *unshare)).stdout


@pytest.fixture
def alone() -> Iterator[Alone]:
    with Namespace("alone") as namespace:
        yield Alone(namespace)


class TestMountThatWouldGoWithTheCommand:
    """Attach used to mount there, to end with 0, and to leave nothing."""

    def test_in_ip_netns_exec(self, alone: Alone) -> None:
        name = alone.namespace.name
        argv = ["ip", "netns", "exec", name, *alone.attach.split()]
        said = refusal(alone.namespace.run(argv, timeout=60, check=False), 1)
        assert GOES in said
        assert f"nsenter --net=/run/netns/{name} trafficmon" in said

    def test_the_way_out_that_is_named(self, alone: Alone) -> None:
        enter = ["nsenter", f"--net=/run/netns/{alone.namespace.name}"]
        processes.check(processes.finish(processes.start([*enter, *alone.attach.split()]), 60))
        assert alone.namespace.run(alone.detach.split()).stdout == "detached from lo\n"

    @pytest.mark.parametrize("wrapper", ["", "timeout 60", "setsid --wait"])
    @pytest.mark.parametrize("unshare", [(), CONTAINER])
    def test_in_a_namespace_without_other_processes_but_those_that_wait_for_it(
        self, alone: Alone, wrapper: str, unshare: tuple[str, ...]
    ) -> None:
        """Also as the first process of a container."""
        script = f"{UNMOUNTED}; exec {wrapper} {alone.attach}"
        assert GOES in refusal(alone.run(script, *unshare), 1)

    def test_without_the_right_to_trace_pid_1(self, alone: Alone) -> None:
        """/proc/1/ns/mnt cannot be read then, /proc/1/mountinfo can."""
        drop = "setpriv --bounding-set=-sys_ptrace --inh-caps=-sys_ptrace"
        assert GOES in refusal(alone.run(f"{UNMOUNTED}; exec {drop} {alone.attach}"), 1)


class TestMountThatStays:
    def test_one_that_is_there_already_is_used(self, alone: Alone) -> None:
        said = alone.says(f"{A_NEW_ONE}; exec {alone.attach}")
        assert said.startswith("lo: xdp off, tc ")
        assert "note: " not in said

    def test_as_long_as_another_process_lives_there(self, alone: Alone) -> None:
        said = alone.says(f"{UNMOUNTED}; sleep 30 >/dev/null 2>&1 & exec {alone.attach}")
        assert MOUNTED in said
        assert re.search(r"when its last process ends, .* by process \d+ \('sleep'\)\)", said)

    def test_where_pid_1_of_a_container_lives(self, alone: Alone) -> None:
        said = alone.says(f"{UNMOUNTED}; {alone.attach} && {alone.detach}; :", *CONTAINER)
        assert MOUNTED in said
        assert "its last process" not in said
        assert said.endswith("detached from lo\n")

    def test_where_it_appears_outside_as_well(self, alone: Alone) -> None:
        inner = f"unshare --mount --propagation=unchanged {alone.attach}"
        said = alone.says(f"{UNMOUNTED}; mount --make-shared /sys; {inner} && {alone.detach}")
        assert MOUNTED in said
        assert "its last process" not in said
        assert said.endswith("detached from lo\n")

    def test_where_a_file_holds_the_namespace(self, alone: Alone, tmp_path: Path) -> None:
        held = tmp_path / "held"
        held.touch()
        enter = f"nsenter --mount={held}"
        script = (
            f"mount --bind {tmp_path} {tmp_path}; mount --make-private {tmp_path}; "
            f"unshare --mount={held} true; {enter} umount -l /sys/fs/bpf; "
            f"{enter} {alone.attach} && {enter} {alone.detach}; umount {held}"
        )
        said = alone.says(script)
        assert f"(it is kept by '{held}')" in said
        assert said.endswith("detached from lo\n")


@pytest.mark.parametrize("command", ["status", "top flows"])
def test_readers_say_that_pins_cannot_be_seen_from_ip_netns_exec(
    alone: Alone, command: str
) -> None:
    name = alone.namespace.name
    argv = ["ip", "netns", "exec", name, *f"{TRAFFICMON} {command}".split()]
    said = refusal(alone.namespace.run(argv, check=False), 3)
    assert "this mount namespace shows no BPF file system" in said
    assert f"nsenter --net=/run/netns/{name} trafficmon" in said


def test_a_second_one_over_the_first_hides_its_pins() -> None:
    with PrivateMounts("twice", A_NEW_ONE) as namespace, program_in(namespace) as program:
        attach(program, "lo")
        namespace.run(["mount", "-t", "bpf", "bpf", "/sys/fs/bpf"])
        assert HIDDEN in complaint(program, 3, "status")
        said = program.run("detach").stdout.splitlines()
        assert said[0] == "nothing was attached"
        assert said[1].startswith(f"note: {HIDDEN}")
        assert f"note: {HIDDEN}" in attach(program, "lo")
        assert f"note: {HIDDEN}" in program.run("status").stderr
        assert f"note: {HIDDEN}" in program.run("detach").stdout
        namespace.run(["umount", "/sys/fs/bpf"])
        assert "hidden" not in program.run("status").stderr
        assert "hidden" not in program.run("detach").stdout


def test_the_same_one_mounted_again_hides_nothing() -> None:
    prepare = f"{A_NEW_ONE}; mount --bind /sys/fs/bpf /sys/fs/bpf"
    with PrivateMounts("twice", prepare) as namespace, program_in(namespace) as program:
        assert "hidden" not in attach(program, "lo")
        assert "hidden" not in program.run("status").stderr


def test_one_that_can_only_be_read() -> None:
    with PrivateMounts("readonly", A_NEW_ONE) as namespace, program_in(namespace) as program:

        def remount(how: str) -> None:
            namespace.run(["mount", "-o", f"remount,bind,{how}", "/sys/fs/bpf"])

        remount("ro")
        assert READ_ONLY in complaint(program, 1, "attach", "--iface=lo")
        remount("rw")
        attach(program, "lo")
        remount("ro")
        assert program.status()["interfaces"][0]["interface"] == "lo"
        assert READ_ONLY in complaint(program, 1, "detach")
        remount("rw")
