# SPDX-License-Identifier: MIT
"""Pins that someone has taken away or exchanged: every command says which, and what to do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kernel import leftovers
from tests.kernel.attached import program_in, refusal
from tests.kernel.program import Program
from tests.lab.cgroup import own_cgroup
from tests.lab.namespace import Namespace
from trafficmon import pinned
from trafficmon.libbpf.map import Map
from trafficmon.libbpf.object import Program as BpfProgram
from trafficmon.pins import MAPS
from trafficmon.tables.catalogue import TABLES

pytestmark = pytest.mark.kernel

REMEDY = (
    "'trafficmon attach --replace' makes it anew (counters restart), 'trafficmon detach' ends it"
)
OPEN_ALL = (("attach", "--iface", "lo"), ("capture", "-c", "1"), ("detach", "--iface", "lo"))
READ = {"status": ("status",), **{name: ("top", name, "-n", "3") for name in TABLES}}
NEEDED = {
    "flows": ("flows", "status"),
    "flow_cache": ("flows", "status"),
    "services": ("ports", "status"),
    "service_cache": ("ports", "status"),
    "hook_counters": ("interfaces", "layers", "status"),
    "ledger": ("status",),
    "owners": ("users", "connections", "flows", "status"),
    "processes": ("processes",),
    "cgroup_paths": ("cgroups",),
    "layers": ("layers", "status"),
    "event_counts": ("status",),
    "interfaces": ("interfaces", "flows", "status"),
    "interface_names": ("flows",),
    "meta": ("flows", "connections", "status"),
}
"""Some of what cannot be reported without a map."""


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    with (
        own_cgroup("damaged") as cgroup,
        Namespace("damaged") as namespace,
        program_in(namespace) as made,
    ):
        layers = ("--layer", "tc,dns,cgroup,sockops,app")
        made.run("attach", "--iface", "lo", "--cgroup", str(cgroup), *layers, check=False)
        if not made.pin_dir.exists():  # app or sockops is not of this kernel
            made.run("attach", "--iface", "lo", "--cgroup", str(cgroup), "--layer", "tc,dns,cgroup")
        yield made


@contextmanager
def away(pin: Path) -> Iterator[None]:
    """While inside, the pin is not there."""
    hidden = Path(f"/sys/fs/bpf/tmaway-{os.getpid()}")
    pin.rename(hidden)
    try:
        yield
    finally:
        hidden.rename(pin)


@contextmanager
def exchanged(pin: Path, other: Path) -> Iterator[None]:
    """While inside, ``other`` is pinned there."""
    with away(pin):
        os.link(other, pin)
        try:
            yield
        finally:
            pin.unlink()


def holds(program: Program, path: Path, what: str, *command: str) -> None:
    said = refusal(program.run(*command, check=False), 1)
    assert f"{path} {what}" in said, (command, said)
    assert REMEDY in said


def does_no_worse(program: Program, *command: str) -> None:
    """It fails with what to do, or notes that beside the table, or goes without."""
    done = program.run(*command, check=False)
    assert done.returncode in (0, 1, 3), done
    assert bool(done.stderr) or not done.returncode
    for line in done.stderr.splitlines():
        assert line.startswith(("trafficmon: ", "note: ")), done.stderr
    assert "internal error" not in done.stderr


@pytest.mark.parametrize("name", MAPS)
def test_a_map_that_is_missing(program: Program, name: str) -> None:
    pin = program.pin_dir / "maps" / name
    with away(pin):
        for table in NEEDED.get(name, ()):
            holds(program, pin, "is missing", *READ[table])
        for table in {"status", "flows", "layers"} - set(NEEDED.get(name, ())):
            does_no_worse(program, *READ[table])
        if name != "meta":  # then attach and detach clear away what is left
            for command in OPEN_ALL:
                holds(program, pin, "is missing", *command)
    assert program.run("status").stderr == ""


@pytest.mark.parametrize("name", sorted({*MAPS} - {"meta"}))
def test_another_map_in_the_place_of_one(program: Program, name: str) -> None:
    maps = program.pin_dir / "maps"
    other = "services" if name != "services" else "drops"
    with exchanged(maps / name, maps / other):
        for command in (OPEN_ALL[0], *(READ[table] for table in NEEDED.get(name, ())[:1])):
            holds(program, maps / name, "is another program's map", *command)


@pytest.mark.parametrize("name", ["flows", "interfaces", "events"])
def test_a_program_in_the_place_of_a_map(program: Program, name: str) -> None:
    pin = program.pin_dir / "maps" / name
    (bpf, *_) = sorted((program.pin_dir / "progs").iterdir())
    with exchanged(pin, bpf):
        for command in (OPEN_ALL[0], *(READ[table] for table in NEEDED.get(name, ())[:1])):
            holds(program, pin, "is no map", *command)


@pytest.mark.parametrize("part", ["maps", "links", "progs"])
def test_a_directory_that_is_missing(program: Program, part: str) -> None:
    with away(program.pin_dir / part):
        for command in READ.values():
            does_no_worse(program, *command)


@pytest.mark.parametrize("way", ["tcx", "clsact"])
@pytest.mark.parametrize("name", ["flows", "interfaces", "ledger", "meta"])
def test_detach_and_replace_work_all_the_same(name: str, way: str) -> None:
    with Namespace("damaged") as namespace, program_in(namespace) as program:
        before = leftovers.hooks(namespace)
        program.run("attach", "--iface", "lo", "--tc", way)
        (program.pin_dir / "maps" / name).unlink()
        said = program.run("attach", "--iface", "lo", "--replace").stdout
        assert "lo: xdp off, tc " in said
        assert program.run("status").stderr == ""
        (program.pin_dir / "maps" / name).unlink()
        program.run("detach")
        assert not program.pin_dir.exists()
        if name != "interfaces" or way == "tcx":  # else no one knows where filters are
            assert leftovers.hooks(namespace) == before


def test_replace_attaches_to_what_was_attached_before() -> None:
    with Namespace("damaged") as namespace, program_in(namespace) as program:
        namespace.run(["ip", "link", "add", "tmbr", "type", "bridge"])
        program.run("attach", "--iface", "lo", "--iface", "tmbr")
        (program.pin_dir / "maps" / "services").unlink()
        said = program.run("attach", "--replace").stdout
        assert "what was attached was damaged: it is attached anew, counters restart" in said
        assert {one["interface"] for one in program.status()["interfaces"]} == {"lo", "tmbr"}


def test_every_map_has_sizes_to_be_known_by() -> None:
    assert {*pinned._SIZES, *pinned._RINGS, "meta"} == {*MAPS}


def test_a_handle_is_of_the_requested_object(program: Program) -> None:
    maps, progs = program.pin_dir / "maps", program.pin_dir / "progs"
    (bpf, *_) = sorted(progs.iterdir())
    for kind, pin in ((Map, bpf), (BpfProgram, maps / "flows")):
        with pytest.raises(OSError, match="another kind of object is pinned there"):
            kind.from_pin(str(pin))
