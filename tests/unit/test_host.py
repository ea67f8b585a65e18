# SPDX-License-Identifier: MIT
"""Facts about the host: cgroup mounts, the default route, the lock."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trafficmon.errors import TrafficmonError
from trafficmon.host import cgroups, lock, netns

HYBRID = """\
22 28 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw
30 22 0:26 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755
31 30 0:27 / /sys/fs/cgroup/unified rw shared:10 - cgroup2 cgroup2 rw,nsdelegate
32 30 0:28 / /sys/fs/cgroup/memory rw shared:11 - cgroup cgroup rw,memory
"""
HOLDER = """
import sys, time
from pathlib import Path
from trafficmon.host import lock
lock.RUN_DIR = Path(sys.argv[1])
with lock.exclusive(Path("/pins")):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("mountinfo", "root"),
    [
        (HYBRID, "/sys/fs/cgroup/unified"),
        ("29 22 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "/sys/fs/cgroup"),
        ("29 22 0:26 / /mnt/my\\040cgroup rw a:1 b:2 - cgroup2 none rw\n", "/mnt/my cgroup"),
        ("29 22 0:26 / /mnt/gr\u00fcn\\134x rw - cgroup2 none rw\n", "/mnt/gr\u00fcn\\x"),
    ],
)
def test_the_version_2_mount_is_found(mountinfo: str, root: str) -> None:
    assert cgroups.version_2_root(mountinfo) == Path(root)


def test_without_a_version_2_mount_there_is_none() -> None:
    assert cgroups.version_2_root(HYBRID.replace("cgroup2", "cgroup")) is None
    assert cgroups.version_2_root("") is None


IPV4_HEADER = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT"
IPV4 = "{} {} 010011AC 0003 0 0 {} {} 0 0 0"
IPV6 = "{} {} {} 00 {} {:08x} 00000001 00000000 00000003 {}"
ZERO = "0" * 32
UNREACHABLE = "* 00000000 00000000 0201 0 0 5 00000000 0 0 0"  # ip route add unreachable default


@pytest.mark.parametrize(
    ("ipv4", "ipv6", "expected"),
    [
        ([], [], None),
        ([IPV4.format("eth0", "000011AC", 0, "0000FFFF")], [], None),
        (
            [
                IPV4.format("wlan0", "00000000", 600, "00000000"),
                IPV4.format("eth0", "00000000", 100, "00000000"),
            ],
            [],
            "eth0",
        ),
        ([IPV4.format("tun0", "00000000", 0, "00000080")], [], None),  # 0.0.0.0/1
        ([UNREACHABLE], [], None),
        ([UNREACHABLE, IPV4.format("eth0", "00000000", 50, "00000000")], [], "eth0"),
        ([], [IPV6.format(ZERO, "00", ZERO, ZERO, 1024, "eth1")], "eth1"),
        ([], [IPV6.format(ZERO, "00", ZERO, ZERO, 0xFFFFFFFF, "lo")], None),
        (
            [IPV4.format("eth0", "00000000", 900, "00000000")],
            [IPV6.format(ZERO, "00", ZERO, ZERO, 1, "eth1")],
            "eth0",
        ),
    ],
)
def test_the_default_route(
    ipv4: list[str], ipv6: list[str], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"/proc/net/route": [IPV4_HEADER, *ipv4], "/proc/net/ipv6_route": ipv6}
    monkeypatch.setattr(netns, "_lines", files.__getitem__)
    assert netns.default_route_interface() == expected


@pytest.fixture
def run_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(lock, "RUN_DIR", tmp_path / "run")
    monkeypatch.setattr(lock, "_PATIENCE_S", 0.3)
    return tmp_path / "run"


def holder(run_dir: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(run_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(lock.__file__).parents[2])},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_reports_who_holds_the_lock(run_dir: Path) -> None:
    with holder(run_dir) as process:
        with (
            pytest.raises(TrafficmonError, match=rf"\(process {process.pid}\); try again"),
            lock.exclusive(Path("/pins")),
        ):
            pass
        with lock.exclusive(Path("/other")):  # another pin directory has a lock of its own
            pass
        process.communicate()
    with lock.exclusive(Path("/pins")):
        pass
    assert not run_dir.exists()


@pytest.mark.parametrize(
    ("one", "other"),
    [("/a/b-c", "/a-b/c"), ("/a-b-c", "/a/b/c"), ("/a-b", r"/a\x2db"), (r"/a\x2d", r"/a\x5cx2d")],
)
def test_two_pin_directories_have_two_files(run_dir: Path, one: str, other: str) -> None:
    with lock.exclusive(Path(one)), lock.exclusive(Path(other)):
        assert lock.dns_file(Path(one)) != lock.dns_file(Path(other))
        assert len(list(run_dir.glob("attach*.lock"))) == 2


def test_a_killed_holder_blocks_no_other_process(run_dir: Path) -> None:
    with holder(run_dir) as process:
        process.kill()
        process.wait()
        began = time.monotonic()
        with lock.exclusive(Path("/pins")):
            assert time.monotonic() - began < 0.3
    assert not run_dir.exists()


def test_a_lock_on_a_removed_file_is_none(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between open and flock the holder left and removed the file: the path is opened anew."""
    take = lock._try
    opened = []

    def removed_at_first(fd: int) -> bool:
        opened.append(fd)
        if len(opened) == 1:
            (run_dir / "attach-pins.lock").unlink()
        return take(fd)

    monkeypatch.setattr(lock, "_try", removed_at_first)
    with lock.exclusive(Path("/pins")):
        assert len(opened) == 2
        assert (run_dir / "attach-pins.lock").read_text() == f"{os.getpid()}\n"
