# SPDX-License-Identifier: MIT
"""Where pins are to go, and may not: no BPF file system, other people's things, odd names."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.attached import attach, complaint, program_in, refusal, run_patched
from tests.kernel.private_mounts import PrivateMounts
from tests.kernel.program import Program, free_pin_dir, within
from tests.lab.namespace import Namespace

pytestmark = pytest.mark.kernel

UNMOUNTED = "while umount -l /sys/fs/bpf 2>/dev/null; do :; done"
NOT_EVEN_A_DIRECTORY = f"{UNMOUNTED}; mount -t tmpfs tmpfs /sys/fs"
A_MAP = "type array key 4 value 64 entries 1 name tmforeign"
TRUNCATED = """
import sys
from pathlib import Path
from trafficmon import objects
from trafficmon.cli import main as command_line
whole, objects.DIRECTORY = objects.DIRECTORY, Path({folder!r})
for name in ("xdp", "tc"):
    content = (whole / f"{{name}}.bpf.o").read_bytes()
    for part in range(24):
        for other in ("xdp", "tc"):
            target = objects.DIRECTORY / f"{{other}}.bpf.o"
            target.write_bytes((whole / f"{{other}}.bpf.o").read_bytes())
        (objects.DIRECTORY / f"{{name}}.bpf.o").write_bytes(content[:len(content) * part // 24])
        print(command_line.run())
sys.exit(0)
"""


@pytest.fixture
def program() -> Iterator[Program]:
    with Namespace("places") as namespace, program_in(namespace) as made:
        yield made


class TestNoBpfFileSystem:
    def test_attach_mounts_one(self) -> None:
        with PrivateMounts("mounts", UNMOUNTED) as namespace, program_in(namespace) as program:
            assert program.run("detach").stdout == "nothing was attached\n"
            complaint(program, 3, "top", "flows")
            said = attach(program, "lo")
            assert "note: mounted a BPF file system on /sys/fs/bpf\n" in said
            assert program.status()["pin_dir"] == str(program.pin_dir)
            assert "mounted" not in attach(program, "lo")

    def test_one_that_may_not_be_mounted(self) -> None:
        """Root without CAP_SYS_ADMIN, as in containers; the other three are there."""
        with PrivateMounts("mounts", UNMOUNTED) as namespace:
            program = Program(namespace, free_pin_dir())
            argv = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]
            argv += ["env", f"TRAFFICMON_PIN_DIR={program.pin_dir}", sys.executable]
            argv += ["-m", "trafficmon", *within(["attach", "--iface", "lo"])]
            said = refusal(namespace.run(argv, check=False), 4)
            assert "cannot mount a BPF file system on /sys/fs/bpf: this process lacks" in said
            assert "CAP_SYS_ADMIN" in said

    def test_no_place_to_mount_it(self) -> None:
        with PrivateMounts("mounts", NOT_EVEN_A_DIRECTORY) as namespace:
            program = Program(namespace, free_pin_dir())
            said = complaint(program, 1, "attach", "--iface", "lo")
            assert "/sys/fs/bpf does not exist; mount sysfs first" in said

    def test_another_file_system(self, program: Program, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        for place in (tmp_path, tmp_path / "new", tmp_path / "file"):
            said = complaint(program, 1, "attach", "--iface=lo", f"--pin-dir={place}")
            assert f"{place} is not in a BPF file system; choose a directory under" in said
            complaint(program, 3, "top", "flows", f"--pin-dir={place}")
        said = complaint(program, 1, "detach", f"--pin-dir={tmp_path}")
        assert "check --pin-dir" in said
        assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


class TestOtherPeoplesPins:
    def test_one_that_comes_later_is_left_when_ours_go(self, program: Program) -> None:
        attach(program, "lo")
        pins = [program.pin_dir / "maps" / "strange", program.pin_dir / "strange"]
        for pin in pins:
            subprocess.run(["bpftool", "map", "create", str(pin), *A_MAP.split()], check=True)
        try:
            assert "is not trafficmon's; remove it" in complaint(program, 1, "attach", "--iface=lo")
            assert len(program.status()["interfaces"]) == 1
            for first in ("detached from lo\n", "nothing was attached\n"):
                said = program.run("detach").stdout
                assert said.startswith(first)
                for pin in pins:
                    assert f"note: {pin} does not belong to trafficmon; it was not removed" in said
            left = [path for path in program.pin_dir.rglob("*") if not path.is_dir()]
            assert sorted(left) == sorted(pins)
        finally:
            for pin in pins:
                pin.unlink()

    @pytest.mark.parametrize("command", [("attach", "--iface=lo", "--replace"), ("detach",)])
    def test_a_map_called_meta_that_is_not_ours(
        self, program: Program, command: tuple[str, ...]
    ) -> None:
        pin = program.pin_dir / "maps" / "meta"
        pin.parent.mkdir(parents=True)
        subprocess.run(["bpftool", "map", "create", str(pin), *A_MAP.split()], check=True)
        try:
            said = complaint(program, 1, *command)
            assert f"what is pinned in {program.pin_dir} is not trafficmon's" in said
            assert pin.exists()
        finally:
            pin.unlink()

    def test_a_pin_in_the_place_of_the_directory(self, program: Program) -> None:
        argv = ["bpftool", "map", "create", str(program.pin_dir), *A_MAP.split()]
        subprocess.run(argv, check=True)
        try:
            said = complaint(program, 1, "attach", "--iface", "lo")
            assert f"{program.pin_dir} is not a directory; choose another --pin-dir" in said
            assert program.run("detach").stdout == "nothing was attached\n"
            assert program.pin_dir.exists()
        finally:
            program.pin_dir.unlink()


def test_a_name_with_a_dot(program: Program) -> None:
    """The BPF file system keeps them for itself."""
    place = program.pin_dir.with_name("tm.test")
    for command in (("attach", "--iface=lo"), ("detach",), ("status",), ("top", "flows")):
        said = complaint(program, 2, *command, f"--pin-dir={place}")
        assert "names in a BPF file system have no dots; choose another --pin-dir" in said


def test_no_interface_named_and_no_default_route(program: Program) -> None:
    said = complaint(program, 2, "attach")
    assert "no --iface given" in said
    assert "there are: lo" in said
    assert not program.pin_dir.exists()


def test_objects_cut_anywhere(program: Program, tmp_path: Path) -> None:
    """One clear line, exit code 1, and nothing left."""
    options = ("attach", "--iface=lo", "--xdp=generic")
    done = run_patched(program, TRUNCATED.format(folder=str(tmp_path)), *options)

    assert done.stdout.split() == ["1"] * 48
    lines = done.stderr.splitlines()
    assert len(lines) == 48
    assert all(line.startswith("trafficmon: ") and ".bpf.o" in line for line in lines)
    assert not program.pin_dir.exists()
