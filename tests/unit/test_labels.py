# SPDX-License-Identifier: MIT
"""Names that the kernel's programs have noted, as text."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.sample_builder import SampleBuilder
from trafficmon.layout import CGROUP_PATH, PROCESS
from trafficmon.model.labels import ProcessLabel, path_of, process_label
from trafficmon.tables.catalogue import table_maker

GONE = 0x7FFFFFFF


def parts_of(*names: bytes) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """Of a cgroup, the last one first."""
    record = np.zeros(1, CGROUP_PATH)[0]
    for place, name in enumerate(names):
        record["parts"][place, : len(name)] = np.frombuffer(name, np.uint8)
    made: np.ndarray[tuple[int, int], np.dtype[np.uint8]] = record["parts"]
    return made


@pytest.mark.parametrize(
    ("names", "path"),
    [
        ((), "/"),
        ((b"web.service", b"system.slice"), "/system.slice/web.service"),
        ((b"x" * 95,), f"/{'x' * 95}…"),
        ((b"\xff",), "/\udcff"),
        (tuple(b"%d" % n for n in range(10)), "…/9/8/7/6/5/4/3/2/1/0"),
    ],
)
def test_paths(names: tuple[bytes, ...], path: str) -> None:
    assert path_of(parts_of(*names)) == path


def test_processes() -> None:
    record = np.zeros(1, PROCESS)[0]
    assert process_label(record) == ProcessLabel(None, None)
    for place, name in enumerate((b"nginx", b"sbin", b"usr")):
        record["exe"][place, : len(name)] = np.frombuffer(name, np.uint8)
    command = b"nginx\0-g\0daemon off;\0"
    record["arguments"][: len(command)] = np.frombuffer(command, np.uint8)
    assert process_label(record) == ProcessLabel("/usr/sbin/nginx", "nginx -g daemon off;")
    record["arguments"][:127] = ord("a")
    assert process_label(record).cmdline == "a" * 127 + "…"


def test_who_is_gone_is_still_named() -> None:
    fake = SampleBuilder()
    fake.owner(7, pid=GONE, cgroup_id=1 << 60, comm="job", rx=(1, 1))
    fake.label(7, "/opt/job", "job --once")
    fake.cgroup_labels[1 << 60] = "/batch.slice/job.service"
    (process,) = table_of(fake, "processes")
    assert (process["comm"], process["exe"], process["cmdline"], process["cgroup"]) == (
        "job",
        "/opt/job",
        "job --once",
        "/batch.slice/job.service",
    )
    (group,) = table_of(fake, "cgroups")
    assert (group["path"], group["unit"]) == ("/batch.slice/job.service", "job.service")


def table_of(fake: SampleBuilder, name: str) -> list[dict[str, object]]:
    table = table_maker(name)(fake.sample)
    return [table.record(row) for row in range(table.length)]
