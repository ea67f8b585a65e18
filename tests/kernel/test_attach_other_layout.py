# SPDX-License-Identifier: MIT
"""What another version of trafficmon has attached, with other records in other maps."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack

import pytest

from tests.kernel import leftovers
from tests.kernel.attached import (
    WAYS,
    attach,
    complaint,
    fake_layout,
    packets,
    send,
    send_back,
)
from tests.kernel.program import Program
from tests.lab.lab import Lab
from trafficmon.libbpf.link import Link

pytestmark = pytest.mark.kernel

SERVER = "tmserver"
WAY = pytest.mark.parametrize("way", list(WAYS))


def attach_as_another_version(program: Program, way: str) -> None:
    """One whose layout had no fragments map, and called a map by another name."""
    attach(program, SERVER, options=WAYS[way])
    fake_layout(program, 0)
    maps = program.pin_dir / "maps"
    (maps / "fragments").unlink()
    (maps / "foreign_owners").unlink()
    kind = ["type", "hash", "key", "4", "value", "4", "entries", "1", "name", "elsewhere"]
    subprocess.run(["bpftool", "map", "create", str(maps / "elsewhere"), *kind], check=True)


@WAY
def test_nothing_of_it_is_read(bare: tuple[Lab, Program], way: str) -> None:
    lab, program = bare
    attach_as_another_version(program, way)
    hooks = leftovers.hooks(lab.server)

    for command in (("top", "flows"), ("status",), ("attach", "--iface", SERVER)):
        said = complaint(program, 1, *command)
        assert "counts in record layout 0, this trafficmon reads layout" in said
        assert "'trafficmon attach --replace' takes over (counters restart)" in said
    assert leftovers.hooks(lab.server) == hooks


@WAY
def test_replace_begins_anew(bare: tuple[Lab, Program], way: str) -> None:
    lab, program = bare
    loaded, hooks = leftovers.loaded(), leftovers.hooks(lab.server)
    attach_as_another_version(program, way)
    send(lab, 5)
    said = attach(program, SERVER, options=(*WAYS[way], "--replace"))
    send(lab, 4)
    send_back(lab, 3)

    assert "counted in another layout: counters restart" in said
    assert packets(program, SERVER) == (4, 3)
    assert leftovers.hooks(lab.server).count("direct-action") == (2 if way == "clsact" else 0)
    program.run("detach")
    assert leftovers.hooks(lab.server) == hooks
    assert not leftovers.orphans(loaded)


@pytest.mark.parametrize("way", ["tcx", "native"])
def test_detach_takes_it_off_though_another_process_holds_its_links(
    bare: tuple[Lab, Program], way: str
) -> None:
    lab, program = bare
    hooks = leftovers.hooks(lab.server)
    attach_as_another_version(program, way)
    with ExitStack() as held:
        for pin in (program.pin_dir / "links").iterdir():
            held.enter_context(Link.from_pin(str(pin)))
        program.run("detach")
        assert leftovers.hooks(lab.server) == hooks


@WAY
def test_detach_takes_it_out(bare: tuple[Lab, Program], way: str) -> None:
    lab, program = bare
    loaded, hooks = leftovers.loaded(), leftovers.hooks(lab.server)
    attach_as_another_version(program, way)

    program.run("detach")
    assert not program.pin_dir.exists()
    assert leftovers.hooks(lab.server) == hooks
    assert not leftovers.orphans(loaded)
