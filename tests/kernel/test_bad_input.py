# SPDX-License-Identifier: MIT
"""Bad input: the contract's exit code, and one or two lines that say what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.kernel.ordinary import run_ordinary
from tests.kernel.program import Program, attached, within
from tests.lab.namespace import Namespace

pytestmark = pytest.mark.kernel

ROOT = Path(__file__).resolve().parents[2]
DRIVER = """
import sys
from pathlib import Path
from trafficmon import objects
from trafficmon.cli import main
from trafficmon.libbpf import features
{change}
main.main()
"""


@pytest.fixture
def program() -> Iterator[Program]:
    with Namespace("bad") as namespace:
        pin_dir = Path(f"/sys/fs/bpf/tmbad-{os.getpid()}")
        yield Program(namespace, pin_dir)
        assert not pin_dir.exists()


def says(done: CompletedProcess[str], code: int, *words: str, lines: int = 2) -> None:
    assert done.returncode == code, done
    assert 1 <= done.stderr.count("\n") <= lines, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--iface", "nope0"), "invalid value for --iface: 'nope0' (choose from"),
        (("--iface", "lo", "--cgroup", "/tmp"), "not a cgroup v2"),
        (("--iface", "lo", "--cgroup", "/nowhere"), "no such directory; "),
        (("--iface", "lo", "--xdp", "fast"), "native"),
        (("--iface", "lo", "--layer", "tcp"), "xdp, tc"),
        (("--iface", "lo", "--tc", "old"), "clsact"),
        (("--iface", "lo", "--max-flows", "1"), "1024"),
        (("--iface", "lo", "--group", "nosuchgroup"), "groupadd"),
    ],
)
def test_a_wrong_command_line(program: Program, arguments: tuple[str, ...], word: str) -> None:
    says(program.execute("attach", *arguments, check=False), 2, word)


def test_without_root(program: Program) -> None:
    done = run_ordinary(program.namespace, (), "attach", "--iface", "lo")
    says(done, 4, "CAP_BPF", "CAP_NET_ADMIN", "root")


def test_a_pin_directory_elsewhere(program: Program, tmp_path: Path) -> None:
    pins = str(tmp_path / "pins")
    done = program.execute("attach", "--iface", "lo", "--pin-dir", pins, check=False)
    says(done, 1, "not in a BPF file system", "/sys/fs/bpf")


def test_nothing_attached(program: Program) -> None:
    for command in (("top", "flows"), ("status",)):
        says(program.execute(*command, check=False), 3, "trafficmon attach")


def test_bad_questions() -> None:
    with Namespace("bad") as namespace, attached(namespace, "lo") as program:
        says(program.execute("top", "flows", "--filter", "port (", check=False), 2, "^", lines=3)
        says(program.execute("top", "flows", "--sort", "nope", check=False), 2, "nope")
        says(program.execute("top", "nope", check=False), 2, "flows")


@pytest.mark.parametrize("name", ["strange", "meta"])
def test_a_foreign_map_is_refused(program: Program, name: str) -> None:
    maps = program.pin_dir / "maps"
    maps.mkdir(parents=True)
    pin = maps / name
    kind = ["type", "array", "key", "4", "value", "8", "entries", "1", "name", "tmforeign"]
    subprocess.run(["bpftool", "map", "create", str(pin), *kind], check=True)
    try:
        says(program.execute("attach", "--iface", "lo", check=False), 1)
        assert pin.exists()
        if name == "strange":
            assert f"{pin} does not belong to trafficmon" in program.execute("detach").stdout
            assert pin.exists()
    finally:
        pin.unlink(missing_ok=True)
        for path in (maps, program.pin_dir):
            if path.exists():
                path.rmdir()


def driven(program: Program, change: str) -> CompletedProcess[str]:
    script = DRIVER.format(change=change)
    pins = f"TRAFFICMON_PIN_DIR={program.pin_dir}"
    argv = ["env", pins, sys.executable, "-c", script, *within(["attach", "--iface", "lo"])]
    return program.namespace.run(argv, check=False)


def test_damaged_objects(program: Program, tmp_path: Path) -> None:
    change = f"objects.DIRECTORY = Path({str(tmp_path)!r})"
    says(driven(program, change), 1, "missing", "make bpf")
    whole = (ROOT / "trafficmon/_bpf/tc.bpf.o").read_bytes()
    for size in (0, 40, len(whole) // 2, len(whole) - 100):
        (tmp_path / "tc.bpf.o").write_bytes(whole[:size])
        says(driven(program, change), 1, "tc.bpf.o")


@pytest.mark.parametrize("feature", ["has_btf", "has_helper"])
def test_a_kernel_without_a_feature(program: Program, feature: str) -> None:
    done = driven(program, f"features.{feature} = lambda *_: False")
    says(done, 5, "came with Linux 5.")


def test_bpffs_is_mounted_where_it_is_not(program: Program) -> None:
    commands = "umount /sys/fs/bpf && "
    run = f"{sys.executable} -m trafficmon"
    pins = f"--pin-dir {program.pin_dir}"
    script = f"{commands} {run} attach --iface lo --layer xdp,tc {pins} && {run} detach {pins}"
    done = program.namespace.run(["unshare", "-m", "sh", "-c", script])
    assert "mounted a BPF file system on /sys/fs/bpf" in done.stdout
