# SPDX-License-Identifier: MIT
"""What others have made or named is left alone, not followed, and harmless where it is shown."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel import foreign
from tests.kernel.attached import attach, complaint, lab_and_program, program_in
from tests.kernel.needs import needs_tcx
from tests.kernel.ordinary import NOBODY
from tests.kernel.program import Program
from tests.lab.namespace import Namespace
from trafficmon.host import netns
from trafficmon.libbpf.link import Link, attach_tcx
from trafficmon.uapi import AttachType

pytestmark = pytest.mark.kernel

CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]")
HOSTILE = "\x1b]0;\u202ex\x07\x1b[2J"
A_MAP = "type hash key 8 value 8 entries 1 name tmforeign"


def pin_a_map(pin: Path) -> None:
    subprocess.run(["bpftool", "map", "create", str(pin), *A_MAP.split()], check=True)


class TestForeignPinsUnderNamesOfOurs:
    """Root's own, put there by hand: another program's, or kept for another time."""

    @pytest.mark.parametrize("name", ["meta", "flows", "interfaces"])
    def test_maps_stay(self, name: str) -> None:
        with Namespace("foreign") as namespace, program_in(namespace) as program:
            attach(program, "lo")
            pin = program.pin_dir / "maps" / name
            pin.unlink()
            pin_a_map(pin)
            try:
                said = program.run("detach").stdout
                assert f"note: {pin} does not belong to trafficmon; it was not removed" in said
                assert left(program) == [pin]
            finally:
                pin.unlink()

    def test_programs_and_links_stay(self) -> None:
        needs_tcx()
        with lab_and_program() as (lab, program):
            attach(program, "tmserver")
            link_pin = program.pin_dir / "links" / "tc_rx_0"
            program_pin = program.pin_dir / "progs" / "tc_tx_0"
            for pin in (link_pin, program_pin):
                pin.unlink()
            with lab.server.inside(), foreign.program("foreign_tcx") as theirs:
                theirs.pin(str(program_pin))
                index = netns.ifindex_of("tmserver")
                assert index is not None
                with attach_tcx(theirs, index, AttachType.TCX_EGRESS) as link:
                    link.pin(str(link_pin))
            try:
                said = program.run("detach").stdout
                for pin in (link_pin, program_pin):
                    assert f"note: {pin} does not belong to trafficmon; it was not removed" in said
                assert left(program) == sorted([link_pin, program_pin])
                with Link.from_pin(str(link_pin)) as link:
                    assert link.facts().ifindex == index  # 0: it was detached
            finally:
                for pin in (link_pin, program_pin):
                    pin.unlink()


def left(program: Program) -> list[Path]:
    """The pins."""
    return sorted(path for path in program.pin_dir.rglob("*") if not path.is_dir())


class TestNamesOfInterfaces:
    """The kernel takes all but "/", ":" and blanks."""

    def test_no_command_hands_them_to_the_terminal(self) -> None:
        with Namespace("hostile") as namespace, program_in(namespace) as program:
            namespace.run(["ip", "link", "add", HOSTILE, "type", "veth", "peer", "name", "tmplain"])
            namespace.run(["ip", "link", "set", HOSTILE, "up"])
            for command, code in (
                (("attach", "--iface", HOSTILE), 0),
                (("attach", "--iface", HOSTILE, "--xdp", "generic"), 1),
                (("attach", "--iface", f"{HOSTILE}2"), 2),
                (("attach", "--iface", "tmplain", "--xdp", HOSTILE), 2),
                (("attach", "--iface", "tmplain", "--group", HOSTILE), 2),
                (("attach", "--iface", "tmplain", "--pin-dir", f"/tmp/{HOSTILE}"), 1),
                (("detach", "--iface", f"{HOSTILE}2"), 2),
                (("status",), 0),
                (("doctor",), 0),
                (("top", "interfaces"), 0),
                (("top", "interfaces", "--sort", HOSTILE), 2),
                (("top", "flows", "--filter", f"ifaces {HOSTILE}"), 2),
                (("top", HOSTILE), 2),
                (("events", "--type", HOSTILE), 2),
                (("log", "--to", HOSTILE), 2),
                (("capture", "--filter", f"x {HOSTILE}"), 2),
                ((HOSTILE,), 2),
                (("status", f"--{HOSTILE}"), 2),
                (("detach",), 0),
            ):
                done = program.run(*command, check=False)
                assert done.returncode == code, (command, done)
                shown = done.stdout + done.stderr
                assert not CONTROLS.search(shown), (command, shown)
                if "doctor" not in command:
                    assert "\\x1b" in shown, command


class TestFilesOfOthers:
    def test_a_capture_is_not_written_through_anothers_link(
        self, tmp_path: Path, capture: Program
    ) -> None:
        victim = tmp_path / "victim"
        victim.write_text("kept")
        link = tmp_path / "out.pcapng"
        link.symlink_to(victim)
        os.chown(link, NOBODY, -1, follow_symlinks=False)
        said = complaint(capture, 2, "capture", "-c", "1", "-w", str(link))
        assert f"{link} is a symbolic link that user nobody made" in said
        assert victim.read_text() == "kept"

    def test_a_capture_is_not_written_into_anothers_file(
        self, tmp_path: Path, capture: Program
    ) -> None:
        theirs = tmp_path / "out.pcapng"
        theirs.write_text("kept")
        os.chown(theirs, NOBODY, -1)
        said = complaint(capture, 1, "capture", "-c", "1", "-w", str(theirs))
        assert f"{theirs} belongs to user nobody; name another file" in said
        assert theirs.read_text() == "kept"

    def test_a_capture_goes_into_a_file_or_link_of_ones_own(
        self, tmp_path: Path, capture: Program
    ) -> None:
        (tmp_path / "real.pcapng").write_text("x" * 100_000)
        (tmp_path / "link.pcapng").symlink_to("real.pcapng")
        for name in ("real.pcapng", "link.pcapng", "new.pcapng"):
            with capture.running("capture", "-w", str(tmp_path / name), until="capturing") as one:
                capture.namespace.run(["ping", "-q", "-c", "1", "127.0.0.1"])
                one.interrupt()
            read = ["tshark", "-r", str(tmp_path / name), "-T", "fields", "-e", "ip.dst"]
            assert capture.namespace.run(read).stdout.split() == ["127.0.0.1"] * 4
        assert stat.S_IMODE((tmp_path / "new.pcapng").stat().st_mode) == 0o600


@pytest.fixture
def capture() -> Iterator[Program]:
    """Attached to a loopback."""
    with Namespace("files") as namespace, program_in(namespace) as program:
        attach(program, "lo")
        yield program
