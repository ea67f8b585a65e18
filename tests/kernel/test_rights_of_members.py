# SPDX-License-Identifier: MIT
"""Read is read: what a member of the readers' group tries with bpf(2), and what comes of it."""

from __future__ import annotations

import grp
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.kernel import every_call
from tests.kernel.leftovers import hooks
from tests.kernel.needs import needs_linux
from tests.kernel.ordinary import NOBODY, run_ordinary
from tests.kernel.program import Program, attached, free_pin_dir
from tests.lab.cgroup import own_cgroup
from tests.lab.namespace import Namespace
from trafficmon.libbpf.features import kernel_enumerators
from trafficmon.libbpf.link import Link, LinkFacts
from trafficmon.libbpf.rawmap import RawMap
from trafficmon.pins import COPIED, FROZEN, MAPS, READERS
from trafficmon.uapi import MapType

pytestmark = pytest.mark.kernel

GROUP = "games"
MEMBER = grp.getgrnam(GROUP).gr_gid
READING = ("MAP_LOOKUP_ELEM", "MAP_GET_NEXT_KEY", "MAP_LOOKUP_BATCH", "OBJ_GET_INFO_BY_FD")
"""Commands that may succeed with a descriptor of a map: they read, and change nothing."""

WITHOUT_ENTRIES = (MapType.RINGBUF, MapType.SK_STORAGE)
LAYERS = {
    "interface": ("--layer", "xdp,tc,dns", "--xdp", "generic,off"),
    "host": ("--layer", "tc,cgroup,sockops,app"),
}


@contextmanager
def counting(way: str) -> Iterator[Program]:
    """Attached to the loopback of a namespace of its own, where nothing moves any more."""
    with (
        Namespace("rights") as namespace,
        own_cgroup("rights") as cgroup,
        attached(
            namespace, "lo", options=("--group", GROUP, "--cgroup", str(cgroup), *LAYERS[way])
        ) as program,
    ):
        namespace.run(["ping", "-q", "-i", "0.01", "-c", "3", "127.0.0.1"])
        yield program


@contextmanager
def own_directory() -> Iterator[Path]:
    """Of a BPF file system, everybody's: as all of it is where it was mounted without a mode."""
    path = free_pin_dir()
    path.mkdir()
    path.chmod(0o777)
    try:
        yield path
    finally:
        for pin in path.iterdir():
            pin.unlink()
        path.rmdir()


def contents(program: Program) -> dict[str, bytes]:
    """Of all maps, as root reads them; the files of the readers included."""
    found = {}
    for pin in (*(program.pin_dir / "maps").iterdir(), *(program.pin_dir / "readers").iterdir()):
        with RawMap.from_pin(str(pin), read_only=True) as held:
            if held.facts().type not in WITHOUT_ENTRIES:
                entries = held.raw_entries()
                facts = held.facts()
                keys = bytes(entries.keys[: entries.count * facts.key_bytes])
                values = bytes(entries.values[: entries.count * held.value_bytes()])
                found[f"{pin.parent.name}/{pin.name}"] = keys + values
    return found


def links(program: Program) -> dict[str, LinkFacts]:
    """What the kernel says about each."""
    found = {}
    for pin in (program.pin_dir / "links").iterdir():
        with Link.from_pin(str(pin)) as link:
            found[pin.name] = link.facts()
    return found


def tried(program: Program) -> dict[str, Any]:
    """What every_call found, as nobody and a member."""
    commands = kernel_enumerators("bpf_cmd")
    with own_directory() as own:
        argv = [sys.executable, every_call.__file__, str(NOBODY), str(MEMBER)]
        argv += [str(program.pin_dir), str(own), str(max(commands.values()) + 1)]
        done = program.namespace.run(argv, timeout=120)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("way", LAYERS)
def test_every_command_on_every_pin_changes_nothing(way: str) -> None:
    with counting(way) as program:
        before = contents(program), links(program), hooks(program.namespace)
        found = tried(program)
        after = contents(program), links(program), hooks(program.namespace)
        assert after == before

    commands = kernel_enumerators("bpf_cmd")
    reading = {commands[f"BPF_{name}"] for name in READING}
    for pin, reported in found.items():
        what = {what for _, what in reported["done"]}
        assert what <= reading | {"memory to read at 0", "memory to read at 4096"}, pin


def test_members_open_what_is_theirs_and_nothing_else() -> None:
    with counting("interface") as program:
        found = tried(program)
    opened = {pin for pin, reported in found.items() if set(reported["ways"]) - {"path"}}
    assert opened == {f"readers/{name}" for name in READERS}
    assert {pin for pin in found if pin.startswith("maps/")} == {f"maps/{name}" for name in MAPS}
    for pin in opened:
        assert {"read", "read, pinned again, both"} <= set(found[pin]["ways"])  # so it was tried


def test_what_members_open_is_frozen() -> None:
    """Not only for them: a descriptor for writing is to be had where it is pinned again."""
    with counting("interface") as program:
        for name in (*FROZEN, *COPIED):
            pin = program.pin_dir / "readers" / name
            with RawMap.from_pin(str(pin)) as held:
                info = Path(f"/proc/self/fdinfo/{held.fd}").read_text(encoding="ascii")
            assert "frozen:\t1" in info, name
        with RawMap.from_pin(str(program.pin_dir / "readers" / "meta"), read_only=True) as meta:
            assert bytes(16) in (meta.lookup(bytes(4)) or b"")  # the seed of the hashes is left out


def test_members_see_what_root_has_changed_since() -> None:
    """What user space writes they are given as a copy: it is of the last command."""
    with Namespace("rights") as namespace:
        namespace.run(["ip", "link", "add", "tmone", "type", "veth", "peer", "name", "tmtwo"])
        with attached(namespace, "tmone", options=("--group", GROUP)) as program:
            program.run("attach", "--iface", "tmtwo")
            assert states(program) == {"tmone": "attached", "tmtwo": "attached"}
            program.run("detach", "--iface", "tmone")
            assert states(program) == {"tmone": "detached", "tmtwo": "attached"}
            program.run("attach", "--iface", "tmone", "--replace")
            assert states(program) == {"tmone": "attached", "tmtwo": "attached"}


def states(program: Program) -> dict[str, str]:
    """Of the interfaces, by `status` as a member."""
    done = run_ordinary(program.namespace, [MEMBER], "status", "--json", pin_dir=program.pin_dir)
    assert done.returncode == 0, done.stderr
    return {one["interface"]: one["state"] for one in json.loads(done.stdout)["interfaces"]}


def test_what_an_older_version_gave_to_the_group_is_taken_back() -> None:
    with counting("interface") as program:
        group = str(MEMBER)
        for part, mode in (("maps", "640"), ("progs", "440")):
            pins = [str(pin) for pin in (program.pin_dir / part).iterdir()]
            subprocess.run(["chgrp", group, str(program.pin_dir / part), *pins], check=True)
            subprocess.run(["chmod", mode, *pins], check=True)
            (program.pin_dir / part).chmod(0o750)
        program.run("attach", "--iface", "lo", "--replace")
        found = tried(program)
    opened = {pin for pin, reported in found.items() if set(reported["ways"]) - {"path"}}
    assert opened == {f"readers/{name}" for name in READERS}


def test_members_see_functions_where_packets_were_dropped_and_no_address_of_the_kernel() -> None:
    needs_linux(5, 13, "bpf_snprintf()")
    with (
        Namespace("places") as namespace,
        own_cgroup("places") as cgroup,
        attached(
            namespace,
            "lo",
            options=("--group", GROUP, "--cgroup", str(cgroup), "--layer", "tc,drops"),
        ) as program,
    ):
        namespace.run([sys.executable, "-c", DROPPED])
        rows = program.rows("drops")
        assert "__udp4_lib_rcv" in {row["location"].partition(".")[0] for row in rows}
        done = run_ordinary(namespace, [MEMBER], "top", "drops", "--json", pin_dir=program.pin_dir)
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout) == rows
        known = symbols()
        assert known
        for name, held in contents(program).items():
            if name.startswith("readers/"):
                assert not known & set(every_address(held)), name


DROPPED = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
    for _ in range(20):
        try:
            sender.sendto(b"nobody listens", ("127.0.0.1", 9))
        except ConnectionRefusedError:
            pass
"""


def symbols() -> set[int]:
    """Addresses of the kernel's functions, without their lower bits: any within is as telling."""
    lines = Path("/proc/kallsyms").read_text(encoding="utf-8").splitlines()
    found = {int(line.split()[0], 16) >> PAGE for line in lines if line.split()[1] in "tT"}
    return found - {0}


PAGE = 12


def every_address(raw: bytes) -> Iterator[int]:
    """All that may be addresses in the upper half, at every fourth byte."""
    for at in range(0, len(raw) - 7, 4):
        value = int.from_bytes(raw[at : at + 8], sys.byteorder)
        if value >> 63:
            yield value >> PAGE
