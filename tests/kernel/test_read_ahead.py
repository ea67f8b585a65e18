# SPDX-License-Identifier: MIT
"""A table read while the interpreter imports: the same rows, once, and no error of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.kernel.attached import lab_and_program, send
from tests.kernel.program import Program
from tests.lab.lab import Lab
from trafficmon.libbpf.map import Map
from trafficmon.pins import PinDirectory
from trafficmon.reader.ahead import ReadAhead
from trafficmon.reader.services import read_services

pytestmark = pytest.mark.kernel

SERVER = "tmserver"
SERVICES = ("services", "service_cache")


@pytest.fixture
def place() -> Iterator[tuple[Lab, Program]]:
    with lab_and_program() as made:
        made[1].run("attach", "--iface", SERVER)
        yield made


def test_what_was_read_is_as_of_then_and_taken_once(place: tuple[Lab, Program]) -> None:
    lab, program = place
    pins = PinDirectory(program.pin_dir)
    send(lab, 3)
    with ReadAhead(pins, *SERVICES) as ahead:
        looks = ahead.take()
        send(lab, 2)
        assert ahead.take() is None
    with ExitStack() as stack:
        table, cache = (stack.enter_context(opened(pins, name)) for name in SERVICES)
        assert read_services(table, cache, looks).values["rx_packets"].sum() == 3
        assert read_services(table, cache).values["rx_packets"].sum() == 5


def opened(pins: PinDirectory, name: str) -> Map:
    return Map.from_pin(str(pins.map(name)), read_only=True)


def test_nothing_attached(place: tuple[Lab, Program]) -> None:
    """The command says so; the thread does not."""
    _, program = place
    program.run("detach")
    with ReadAhead(PinDirectory(program.pin_dir), *SERVICES) as ahead:
        assert ahead.take() is None
    done = program.run("top", "flows", check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (3, 1)
