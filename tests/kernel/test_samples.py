# SPDX-License-Identifier: MIT
"""A sample is taken by root and shown by another process: an ordinary user, nothing attached."""

from __future__ import annotations

import inspect
import json
import pickle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dns.message
import pytest

from tests.kernel.ordinary import NOBODY, run_ordinary
from tests.kernel.owned import SERVER, Place, connected, exchange
from tests.kernel.private_mounts import PrivateMounts
from trafficmon.model.parts import Part
from trafficmon.model.sample import Sample
from trafficmon.pins import PinDirectory
from trafficmon.sources.pinned import PinnedSource
from trafficmon.tables.catalogue import TABLES, parts_of, table_maker
from trafficmon.tables.query import chosen
from trafficmon.tables.status import STATUS_PARTS, status_record

pytestmark = pytest.mark.kernel

Shown = dict[str, Any]
NOTHING_ATTACHED = "umount -l /sys/fs/bpf; mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /sys/fs"
CHANGING = ("duration_s", "first_seen", "last_seen", "opened_at")
"""Two commands read the clock at two times; a time may be rounded to another millisecond."""

SHOW = """
import json, os, pickle, sys
import numpy.ma  # which newer versions import when they first need it
from typing import Any
from trafficmon.model.sample import Sample
from trafficmon.tables.catalogue import TABLES, table_maker
from trafficmon.tables.status import status_record
from trafficmon.tables.query import chosen
{shown}
assert os.geteuid() == {nobody} and os.listdir("/sys/fs") == []
with open(sys.argv[1], "rb") as file:
    print(json.dumps(shown(pickle.load(file))))
"""


def shown(sample: Sample) -> dict[str, Any]:
    """What `top TABLE --json` and `status --json` print of it, in that order."""
    tables = {name: table_maker(name)(sample) for name in TABLES}
    rows: dict[str, Any] = {
        name: list(table.stream(chosen(table, None, None, None))) for name, table in tables.items()
    }
    return rows | {"status": status_record(sample)}


def make_traffic(place: Place) -> None:
    """Something for each table: a connection, a DNS question, and a datagram no one takes."""
    server, client = connected(place)
    exchange(server, client, 30_000, 7_000)
    question = dns.message.make_query("www.sample.test", "A").to_wire()
    client.do(
        "u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
        f"u.sendto({question!r}, ({SERVER!r}, 53))",
        f"u.sendto(b'x', ({SERVER!r}, 5999))",
    )


def top_of_each(place: Place) -> Shown:
    """By the command itself."""
    every = {name: place.program.rows(name) for name in TABLES}
    return {name: [_lasting(row) for row in rows] for name, rows in every.items()}


def _lasting(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in CHANGING}


def sample_at_rest(place: Place) -> tuple[Sample, Shown]:
    """With what `top` shows before and after it: the same, as soon as no packet passes."""
    parts = parts_of(*TABLES) | STATUS_PARTS
    for _ in range(20):
        before = top_of_each(place)
        with (
            place.program.namespace.inside(),
            PinnedSource(PinDirectory(place.program.pin_dir)) as source,
        ):
            sample = source.read(parts)
        if top_of_each(place) == before:
            return sample, before
    raise AssertionError("the tables never stand still")


def test_an_ordinary_user_elsewhere_sees_the_same_rows(place: Place) -> None:
    make_traffic(place)
    sample, by_top = sample_at_rest(place)
    here = json.loads(json.dumps(shown(sample)))
    assert all(by_top.values()), [name for name, rows in by_top.items() if not rows]
    assert {name: [_lasting(row) for row in here[name]] for name in TABLES} == by_top
    then = SHOW.format(shown=inspect.getsource(shown), nobody=NOBODY)
    with TemporaryDirectory(prefix="tmsample-") as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "sample"
        path.write_bytes(pickle.dumps(sample))
        path.chmod(0o644)
        with PrivateMounts("sample", NOTHING_ATTACHED) as namespace:
            done = run_ordinary(namespace, (), str(path), pin_dir="/nothing", then=then)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == here


def test_ports_cost_no_flows(place: Place) -> None:
    """A part that was not requested is not read."""
    with PinnedSource(PinDirectory(place.program.pin_dir)) as source:
        held = source.read(parts_of("ports")).parts
    assert held == Part.INTERFACES | Part.FINDINGS | Part.LEDGER | Part.SERVICES
