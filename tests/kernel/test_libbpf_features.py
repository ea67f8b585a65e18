# SPDX-License-Identifier: MIT
"""What the kernel can do, found by trying; and libbpf's own words, in the log."""

from __future__ import annotations

import logging
import platform
import re
import sys
from enum import IntEnum
from pathlib import Path

import pytest

from tests.kernel import probe
from tests.lab.namespace import Namespace
from trafficmon.errors import BrokenObjectError, VerifierError
from trafficmon.libbpf import features, system
from trafficmon.libbpf.object import Object
from trafficmon.uapi import Helper, MapType, ProgramType

pytestmark = pytest.mark.kernel

DEBUG_OF_LIBBPF = 5
RELEASE = tuple(int(number) for number in re.findall(r"\d+", platform.release())[:2])


class Future(IntEnum):
    """Helpers that no kernel has."""

    SOMETHING = 100_000


@pytest.mark.parametrize("kind", list(MapType))
def test_map_types_that_every_kernel_of_ours_has(kind: MapType) -> None:
    assert features.has_map_type(kind)


def test_helpers() -> None:
    assert features.has_helper(ProgramType.SCHED_CLS, Helper.JIFFIES64)
    assert features.has_helper(ProgramType.XDP, Helper.GET_SMP_PROCESSOR_ID)
    assert features.has_helper(ProgramType.XDP, Helper.XDP_GET_BUFF_LEN) == (RELEASE >= (5, 18))
    assert not features.has_helper(ProgramType.XDP, Future.SOMETHING)
    assert not features.has_helper(ProgramType.SCHED_CLS, Helper.XDP_GET_BUFF_LEN)


def test_tcx_came_with_6_6(probe_path: Path) -> None:
    with (
        probe.loaded(probe_path, "probe_tc") as opened,
        opened.program("probe_tc") as program,
    ):
        assert features.has_tcx(program) == (RELEASE >= (6, 6))


def test_btf() -> None:
    assert features.has_btf() == Path("/sys/kernel/btf/vmlinux").exists()


def test_cpus_and_version() -> None:
    last = Path("/sys/devices/system/cpu/possible").read_text().strip().split("-")[-1]
    assert system.possible_cpus() == int(last) + 1
    assert re.fullmatch(r"[1-9]\d*\.\d+", system.libbpf_version())


def test_file_systems_are_distinguished(tmp_path: Path) -> None:
    assert system.filesystem_type("/sys/fs/bpf") == system.BPF_FS_MAGIC
    assert system.filesystem_type("/proc") == 0x9FA0
    assert system.filesystem_type(str(tmp_path / "nothing")) is None


def test_a_bpf_file_system_is_mounted(tmp_path: Path) -> None:
    """In a mount namespace of its own."""
    script = (
        "import sys; from trafficmon.libbpf import system; system.mount_bpffs(sys.argv[1]); "
        "print(system.filesystem_type(sys.argv[1]) == system.BPF_FS_MAGIC)"
    )
    done = probe.in_a_process("unshare", "--mount", sys.executable, "-c", script, str(tmp_path))
    assert (done.stdout, done.stderr) == ("True\n", "")
    assert system.filesystem_type(str(tmp_path)) != system.BPF_FS_MAGIC


def test_libbpf_speaks_to_the_log(
    probe_path: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(1, "trafficmon.libbpf")
    broken = tmp_path / "broken.bpf.o"
    broken.write_bytes(b"\x7fELF garbage")
    with pytest.raises(BrokenObjectError):
        Object(broken)
    with Object(probe_path) as opened:
        opened.keep_only("probe_refused")
        with pytest.raises(VerifierError):
            opened.load()

    said: dict[int, list[str]] = {record.levelno: [] for record in caplog.records}
    for record in caplog.records:
        assert record.name == "trafficmon.libbpf"
        said[record.levelno].append(record.getMessage())
    assert any("broken.bpf.o" in text for text in said[logging.INFO])
    assert any("'probe_refused': failed to load" in text for text in said[logging.INFO])
    assert any(
        "loading object from" in text for level in said if level < 10 for text in said[level]
    )
    assert max(said) == logging.INFO, "libbpf's warnings are for --debug"
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


# Whatever is called first: libbpf's own way is standard error.
CALLS = {
    "filters": "from trafficmon.libbpf import clsact; n = 1; clsact.make_qdisc(n); "
    "place = clsact.Filter(n, clsact.TcAttachPoint.INGRESS, 1, 1); "
    "clsact.make_qdisc(n); clsact.remove_filter(place); clsact.remove_qdisc(n)",
    "xdp": "from trafficmon.libbpf import info; assert info.xdp_program(1) is None",
    "probes": "from trafficmon.libbpf import features as f; "
    "f.has_helper(f.ProgramType.SCHED_CLS, f.Helper.XDP_GET_BUFF_LEN)",
    "objects": "from pathlib import Path; from trafficmon.libbpf import object as o\n"
    "try:\n    o.Object(Path('pyproject.toml'))\nexcept o.BrokenObjectError:\n    pass",
}


@pytest.mark.parametrize("call", list(CALLS.values()), ids=list(CALLS))
def test_nothing_goes_to_standard_error(call: str) -> None:
    with Namespace("probe") as namespace:
        done = probe.in_a_process(
            "nsenter", f"--net={namespace.path}", sys.executable, "-W", "error", "-c", call
        )
    assert (done.stdout, done.stderr) == ("", "")
