# SPDX-License-Identifier: MIT
"""A pin directory that another user could have made, or can change, is not touched nor believed."""

from __future__ import annotations

import grp
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kernel import racer
from tests.kernel.attached import attach, complaint, interface_row, lock_of, program_in
from tests.kernel.ordinary import NOBODY
from tests.kernel.private_mounts import PrivateMounts
from tests.kernel.program import Program, free_pin_dir
from tests.lab import processes
from tests.lab.namespace import Namespace
from trafficmon.ownership import NotOursError
from trafficmon.pins import MAPS, PinDirectory

pytestmark = pytest.mark.kernel

GROUP = "games"
OPEN_TO_ALL = "mount -t bpf -o mode=1777 bpf /sys/fs/bpf"
ROUNDS = 200
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
RACE = """
import contextlib, io, os, shutil, sys
from pathlib import Path
from trafficmon.cli import main as command_line
place, victim, group, rounds = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
said = io.StringIO()
codes = set()
for _ in range(rounds):
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        for command in (["attach", "--iface", "lo", "--layer", "tc", "--group", group], ["detach"]):
            sys.argv = ["trafficmon", *command, "--pin-dir", str(place)]
            codes.add(command_line.run())
    shutil.rmtree(place, ignore_errors=True)
    facts = victim.stat()
    if (facts.st_uid, facts.st_gid, facts.st_mode & 0o7777) != (0, 0, 0o600):
        sys.exit(f"changed: {facts}")
    if victim.read_text() != "secret":
        sys.exit("written to")
print(sorted(codes))
"""


def test_a_user_who_swaps_directories_while_root_attaches_gains_nothing(tmp_path: Path) -> None:
    """The victim: a file of root's, which the attacker cannot read."""
    tmp_path.chmod(0o711)
    for above in tmp_path.parents[:2]:
        above.chmod(above.stat().st_mode | 0o001)
    victim = tmp_path / "victim"
    victim.write_text("secret")
    victim.chmod(0o600)
    group = str(grp.getgrnam(GROUP).gr_gid)
    with PrivateMounts("race", OPEN_TO_ALL) as namespace:
        place = "/sys/fs/bpf/tmrace"
        attacker = namespace.popen(
            [sys.executable, racer.__file__, str(NOBODY), group, place, str(victim), *MAPS]
        )
        processes.read_until(attacker, attacker.stdout, "ready")
        argv = [sys.executable, "-c", RACE, place, str(victim), GROUP, str(ROUNDS)]
        done = namespace.run(argv, timeout=240)
        assert attacker.poll() is None  # it was at it all the time
    # refused; or there was no directory at that moment, and nothing to detach
    assert done.stdout in ("[1]\n", "[0, 1]\n"), done


@contextmanager
def prepared() -> Iterator[tuple[Program, Path]]:
    """Attached to a loopback, in a directory below another of the test's own."""
    with Namespace("place") as namespace:
        above = free_pin_dir()
        above.mkdir(mode=0o755)
        program = Program(namespace, above / "pins")
        program.run("attach", "--iface", "lo")
        try:
            yield program, above
        finally:
            restore(above)
            program.run("detach")
            shutil.rmtree(above)
            lock_of(program).unlink(missing_ok=True)


def restore(above: Path) -> None:
    """All that is there is root's again, closed to others, and no link."""
    for path in (above, *above.rglob("*")):
        if path.is_symlink():
            path.unlink()
            path.with_name(f"{path.name}-was").rename(path)
    for path in (above, *above.rglob("*")):
        os.chown(path, 0, 0)
        path.chmod(0o700 if path.is_dir() else 0o600)


def given_away(path: Path) -> None:
    os.chown(path, NOBODY, -1)


def writable_by_group(path: Path) -> None:
    path.chmod(path.stat().st_mode | 0o020)


def writable_by_all(path: Path) -> None:
    path.chmod(path.stat().st_mode | 0o002)


def writable_by_all_and_sticky(path: Path) -> None:
    path.chmod(path.stat().st_mode | 0o1002)


def linked(path: Path) -> None:
    path.rename(path.with_name(f"{path.name}-was"))
    path.symlink_to(path.with_name(f"{path.name}-was"))
    os.chown(path, NOBODY, -1, follow_symlinks=False)


CHANGES = (given_away, writable_by_group, writable_by_all, writable_by_all_and_sticky, linked)
PLACES = (".", "pins", *(f"pins/{name}" for name in ("maps", "links", "progs", "readers")))
PINS = ("pins/maps/flows", "pins/links/tc_rx_0", "pins/progs/tc_tx_0", "pins/readers/meta")
COMMANDS = (
    ("attach", "--iface", "lo"),
    ("attach", "--iface", "lo", "--replace"),
    ("detach",),
    ("detach", "--iface", "lo"),
    ("status",),
    ("top", "flows"),
    ("top", "dns"),
    ("events", "--count", "1"),
    ("capture", "-c", "1"),
    ("log", "--to", "syslog"),
)


@pytest.mark.parametrize("place", [*PLACES, *PINS])
@pytest.mark.parametrize("change", CHANGES)
def test_what_others_may_have_made(
    change: Callable[[Path], None], place: str, tmp_path: Path
) -> None:
    pins = PinDirectory(tmp_path / "above" / "pins")
    pins.make()
    pins.readers.mkdir()
    above = pins.root.parent
    for pin in PINS:
        (above / pin).touch(mode=0o600)
    pins.require_ours()
    change(above / place)
    if (place, change) == (".", writable_by_all_and_sticky):
        pins.require_ours()  # as /tmp is: what is root's there no one else can rename
        return
    with pytest.raises(NotOursError, match=r"cannot be trusted: .*; (remove it|choose)") as refused:
        pins.require_ours()
    assert str(above / place) in str(refused.value)


@pytest.mark.parametrize(("change", "place"), [(given_away, "pins"), (linked, "pins/maps")])
def test_no_command_touches_or_believes(change: Callable[[Path], None], place: str) -> None:
    with prepared() as (program, above):
        change(above / place)
        before = listed(above)
        for command in COMMANDS:
            said = complaint(program, 1, *command)
            assert f"{above / place} cannot be trusted: " in said, command
        assert listed(above) == before


def listed(above: Path) -> dict[str, tuple[int, int, int]]:
    """Owner, group and mode of all that is there."""
    return {
        str(path): (facts.st_uid, facts.st_gid, facts.st_mode)
        for path in (above, *above.rglob("*"))
        for facts in (path.lstat(),)
    }


def test_in_a_directory_that_is_everybodys_and_sticky_roots_own_is_safe() -> None:
    """As bpffs is where it was mounted without a mode."""
    with prepared() as (program, above):
        writable_by_all_and_sticky(above)
        assert "was attached already" in attach(program, "lo")
        assert program.status()["interfaces"][0]["state"] == "attached"


def test_a_strangers_links_are_not_detached() -> None:
    """A user makes a directory whose parts are links to those of a running attachment."""
    with (
        PrivateMounts("strange", OPEN_TO_ALL) as namespace,
        program_in(namespace) as program,
    ):
        attach(program, "lo")
        parts = " ".join(str(part) for part in PinDirectory(program.pin_dir).parts)
        for name, makes in (
            ("tmfake", f"mkdir tmfake && cd tmfake && ln -s {parts} ."),
            ("tmlink", f"ln -s {program.pin_dir} tmlink"),
            ("tmdeep", f"mkdir tmdeep && ln -s {program.pin_dir} tmdeep/pins"),
        ):
            namespace.run([*AS_NOBODY, "sh", "-c", f"cd /sys/fs/bpf && {makes}"])
            place = f"/sys/fs/bpf/{name}" + ("/pins" if name == "tmdeep" else "")
            for command in (("detach",), ("attach", "--iface=lo", "--replace"), ("top", "flows")):
                done = program.run(*command, f"--pin-dir={place}", check=False)
                assert done.returncode in (1, 2), done
                assert "user nobody" in done.stderr
        namespace.run(["ping", "-q", "-c", "1", "127.0.0.1"])
        assert interface_row(program, "lo")["rx_packets"] == 2


def test_what_we_mount_lets_no_other_user_make_entries() -> None:
    unmounted = "while umount -l /sys/fs/bpf 2>/dev/null; do :; done"
    with PrivateMounts("mount", unmounted) as namespace, program_in(namespace) as program:
        attach(program, "lo")
        mode = namespace.run(["stat", "-c", "%a %u", "/sys/fs/bpf"]).stdout
        assert mode == "1700 0\n"
        attach(program, "lo", options=("--group", GROUP))
        mode = namespace.run(["stat", "-c", "%a %u", "/sys/fs/bpf"]).stdout
        assert mode == "1701 0\n"
        made = namespace.run([*AS_NOBODY, "mkdir", "/sys/fs/bpf/mine"], check=False)
        assert "Permission denied" in made.stderr


def test_directories_on_the_way_are_made_closed_whatever_the_umask() -> None:
    with Namespace("umask") as namespace:
        above = free_pin_dir()
        place = above / "deeper" / "pins"
        argv = ["sh", "-c", 'umask 0; exec "$@"', "sh", sys.executable, "-m", "trafficmon"]
        try:
            namespace.run([*argv, "attach", "--iface", "lo", "--layer", "tc", f"--pin-dir={place}"])
            modes = {path.stat().st_mode & 0o022 for path in (above, *above.rglob("*"))}
            assert modes == {0}
            namespace.run([*argv, "detach", f"--pin-dir={place}"])
        finally:
            shutil.rmtree(above)
