# SPDX-License-Identifier: MIT
"""Links to what is not an interface: cgroups, tracepoints, functions, iterators."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.kernel import probe
from tests.kernel.needs import needs_linux
from tests.kernel.probe import Counter, LinkType
from tests.lab.cgroup import own_cgroup
from tests.lab.namespace import Namespace
from tests.lab.worker import Worker
from trafficmon.errors import BpfError, TrafficmonError
from trafficmon.libbpf import info
from trafficmon.libbpf.link import (
    Link,
    attach_cgroup,
    attach_iterator,
    attach_tracing,
    read_iterator,
)
from trafficmon.libbpf.object import Object
from trafficmon.uapi import AttachType

pytestmark = pytest.mark.kernel

DATAGRAM_SOCKETS = (
    "here, there = (socket.socket(type=socket.SOCK_DGRAM) for _ in range(2))",
    "there.bind(('127.0.0.1', 0))",
)


def send(worker: Worker, count: int) -> None:
    worker.do(f"for _ in range({count}): here.sendto(b'x', there.getsockname()); there.recv(16)")


def test_a_cgroup_sees_its_own_processes_and_those_below(probe_path: Path) -> None:
    with (
        own_cgroup("watched") as watched,
        own_cgroup("other") as other,
        Namespace("probe") as namespace,
        probe.loaded(probe_path, "probe_cgroup", "probe_cgroup_second") as opened,
        opened.program("probe_cgroup") as first,
        opened.program("probe_cgroup_second") as second,
    ):
        with (
            own_cgroup("below", watched) as below,
            Worker(namespace, "tm-inner", below) as inner,
            Worker(namespace, "tm-outer", other) as outer,
        ):
            for worker in (inner, outer):
                worker.do(*DATAGRAM_SOCKETS)
            fd = os.open(watched, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                link = attach_cgroup(first, fd, AttachType.CGROUP_INET_EGRESS)
            finally:
                os.close(fd)
            with link:
                assert link.facts().type == LinkType.CGROUP
                assert link.facts().program_id == info.program_facts(first).id
                send(inner, 4)
                send(outer, 50)
                link.update(second)
                send(inner, 5)
            send(inner, 6)
        assert probe.runs(opened, Counter.FIRST) == 4
        assert probe.runs(opened, Counter.SECOND) == 5


def test_what_is_no_cgroup_is_refused(probe_path: Path, tmp_path: Path) -> None:
    with (
        probe.loaded(probe_path, "probe_cgroup") as opened,
        opened.program("probe_cgroup") as program,
    ):
        fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with pytest.raises(BpfError, match=r"probe_cgroup \(cgroup_inet_egress\) to cgroup"):
                attach_cgroup(program, fd, AttachType.CGROUP_INET_EGRESS)
        finally:
            os.close(fd)


def count_of_new_tasks(opened: Object, counter: Counter) -> int:
    """How many more the program counts while we start a process, which is at least one."""
    before = probe.runs(opened, counter)
    subprocess.run(["true"], check=True)
    return probe.runs(opened, counter) - before


@pytest.mark.parametrize(
    ("program", "counter"),
    [("probe_raw_tp", Counter.RAW_TP), ("probe_tp_btf", Counter.TP_BTF)],
)
def test_raw_tracepoints(probe_path: Path, program: str, counter: Counter) -> None:
    with probe.loaded(probe_path, program) as opened:
        assert count_of_new_tasks(opened, counter) == 0
        with attach_tracing(opened, program) as link:
            assert count_of_new_tasks(opened, counter) >= 1
            with opened.program(program) as loaded:
                assert link.facts().program_id == info.program_facts(loaded).id
        assert count_of_new_tasks(opened, counter) == 0


def test_a_pinned_tracing_link_counts_on_without_its_object(probe_path: Path) -> None:
    with probe.free_pin() as pin:
        with probe.loaded(probe_path, "probe_tp_btf") as opened:
            counts = opened.map("runs")
            with attach_tracing(opened, "probe_tp_btf") as link:
                link.pin(str(pin))
        with counts:
            key = struct.pack("=I", Counter.TP_BTF)
            before = counts.lookup(key)
            subprocess.run(["true"], check=True)
            assert counts.lookup(key) != before
            with Link.from_pin(str(pin)) as again:
                assert again.name == pin.name
                with pytest.raises(BpfError, match=f"cannot detach link {pin.name}"):
                    again.detach()  # tracing links cannot be


# In a mount namespace of its own, as tracefs is mounted nowhere on some machines.
TRACEPOINT = """
import subprocess, sys
from pathlib import Path
from tests.kernel import probe
from tests.kernel.probe import Counter, LinkType
from trafficmon.libbpf.link import attach_tracing
if not Path("/sys/kernel/tracing/events").exists():
    subprocess.run(["mount", "-t", "tracefs", "tracefs", "/sys/kernel/tracing"], check=True)
with probe.loaded(Path(sys.argv[1]), "probe_tp") as opened:
    with attach_tracing(opened, "probe_tp") as link:
        print(link.facts().type, probe.runs(opened, Counter.TP))
        for _ in range(3):
            subprocess.run(["true"], check=True)
        print(probe.runs(opened, Counter.TP) >= 3)
    before = probe.runs(opened, Counter.TP)
    subprocess.run(["true"], check=True)
    print(probe.runs(opened, Counter.TP) == before)
"""


def test_tracepoints_through_perf_events_count_on_without_libbpfs_link(probe_path: Path) -> None:
    """libbpf disables the perf event when its link is freed; our link holds it all the same."""
    needs_linux(5, 15, "links of perf events")
    argv = ["unshare", "--mount", sys.executable, "-c", TRACEPOINT, str(probe_path)]
    done = probe.in_a_process(*argv)
    assert done.stdout.split() == [str(int(LinkType.PERF_EVENT)), "0", "True", "True"]


@pytest.mark.parametrize(
    ("program", "feature"), [("probe_fentry", "fentry"), ("probe_kprobe", "kprobes")]
)
def test_functions_where_the_kernel_lets_us(probe_path: Path, program: str, feature: str) -> None:
    try:
        with probe.loaded(probe_path, program) as opened, attach_tracing(opened, program) as link:
            assert link.facts().type in (LinkType.TRACING, LinkType.PERF_EVENT)
    except TrafficmonError as refused:
        reported = str(refused)
        assert program in reported or str(probe_path) in reported
        assert "\n" not in reported
        pytest.skip(f"this kernel ({os.uname().release}) has no {feature}: {reported}")


def test_an_iterator_lists_all_that_there_are(probe_path: Path) -> None:
    with (
        probe.loaded(probe_path, "probe_maps") as opened,
        attach_iterator(opened, "probe_maps") as link,
    ):
        assert link.facts().type == LinkType.ITER
        found = dict(struct.iter_unpack("=I16s", read_iterator(link)))
        names = {number: name.split(b"\0")[0].decode() for number, name in found.items()}
        with opened.map("table") as table, opened.map("runs") as runs:
            assert names[table.facts().id] == "table"
            assert names[runs.facts().id] == "runs"
        again = dict(struct.iter_unpack("=I16s", read_iterator(link)))
        assert again.keys() & found.keys()


def test_an_iterator_that_writes_more_than_one_read_takes(probe_path: Path) -> None:
    """However many reads it takes. The kernel's buffer has eight pages, 1600 of our records."""
    ids: set[int] = set()
    with probe.loaded(probe_path, "probe_maps") as opened, opened.map("table") as table:
        ids.add(table.facts().id)
        with attach_iterator(opened, "probe_maps") as link, many_maps(probe_path, 200) as more:
            ids |= more
            found = {number for number, _ in struct.iter_unpack("=I16s", read_iterator(link))}
    assert len(ids) == 201
    assert ids <= found
    assert len(found) > 1600


@contextmanager
def many_maps(path: Path, objects: int) -> Iterator[set[int]]:
    """The ids of ``table`` of so many objects, each of which has ten maps."""
    with ExitStack() as stack:
        sizes = {"table": 1, "lru": 1, "percpu_table": 1, "events": 4096}
        ids = set()
        for _ in range(objects):
            opened = stack.enter_context(probe.loaded(path, sizes=sizes))
            with opened.map("table") as table:
                ids.add(table.facts().id)
        yield ids


def test_what_is_no_tracing_program_is_refused(probe_path: Path) -> None:
    with probe.loaded(probe_path, "probe_tc", "probe_maps") as opened:
        with pytest.raises(BpfError, match="cannot attach probe_tc"):
            attach_tracing(opened, "probe_tc")
        with pytest.raises(BpfError, match="cannot attach probe_tc"):
            attach_iterator(opened, "probe_tc")
        with pytest.raises(KeyError, match="probe_nothing"):
            attach_tracing(opened, "probe_nothing")
