# SPDX-License-Identifier: MIT
"""Flows whose sockets are elsewhere, and those that are the kernel's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.unit.sample_builder import SampleBuilder, packed
from trafficmon.layout import FLOW, FLOW_SLOT, KERNEL_STARTED_NS, OWNER
from trafficmon.model.owners import is_known, without_kernel
from trafficmon.reader import flows as reader_flows
from trafficmon.tables.catalogue import table_maker
from trafficmon.tables.ledger import ledger_record

CONTAINER_NETNS = 4026532000
FREE_PID = 0x7FFFFFFF  # beyond what a pid can be


def socket_in(fake: SampleBuilder, netns: int, owner_id: int, remote_port: int = 443) -> None:
    row: Any = fake.socket(owner_id, netns_inode=netns, family=2, protocol=6, tcp_state=1)
    for side, address in (("local", "172.17.0.2"), ("remote", "10.0.0.9")):
        row[f"{side}_addr"] = np.frombuffer(packed(address), np.uint8)
    row["local_port_be"], row["remote_port_be"] = np.array((40000, remote_port), ">u2").view("=u2")


def comms(fake: SampleBuilder) -> list[object]:
    table = table_maker("flows")(fake.sample)
    return [table.record(row)["comm"] for row in range(table.length)]


@pytest.mark.parametrize(
    ("elsewhere", "here", "reported"),
    [
        ([], [], None),
        ([1], [], "inside"),
        ([1, 2], [], None),  # two containers may well have the same addresses
        ([1], [3], "outside"),
    ],
)
def test_a_containers_socket_has_its_flow_where_there_is_no_doubt(
    elsewhere: list[int], here: list[int], reported: str | None
) -> None:
    fake = SampleBuilder()
    fake.owner(1, pid=FREE_PID, comm="inside")
    fake.owner(2, pid=FREE_PID - 1, comm="other")
    fake.owner(3, pid=FREE_PID - 2, comm="outside")
    for owner in elsewhere:
        socket_in(fake, CONTAINER_NETNS + owner, owner)
    for owner in here:
        socket_in(fake, 0, owner)
    fake.flow("172.17.0.2", "10.0.0.9", ports=(40000, 443))
    assert comms(fake) == [reported]


@pytest.mark.parametrize(
    ("watched", "of_the_socket", "reported"),
    [(7, 7, "listener"), (7, 8, None), (0, 8, "listener")],
)
def test_a_namespace_that_has_the_number_of_one_that_is_gone(
    watched: int, of_the_socket: int, reported: str | None
) -> None:
    """It has another cookie, where the kernel has such."""
    fake = SampleBuilder()
    fake.netns_cookie = watched
    fake.owner(1, pid=FREE_PID, comm="listener")
    row: Any = fake.socket(1, netns_cookie=of_the_socket, family=2, protocol=6, tcp_state=10)
    row["local_port_be"] = np.array(443, ">u2").view("=u2")
    fake.flow("10.0.0.1", "10.0.0.9", ports=(443, 40000))
    assert comms(fake) == [reported]


@pytest.mark.parametrize(
    ("lookup_ns", "reported"),
    [((50, 10, 20), 1), ((50, 60, 70), 3), ((50, 70, 60), 2), ((0, 0, 0), 0)],
)
def test_of_several_cpus_answers_the_latest_holds(
    lookup_ns: tuple[int, ...], reported: int
) -> None:
    """The table's is owner 1, the slots' 2 and 3; one that was never looked up has no owner."""
    in_table, *in_slots = lookup_ns
    values, slots = np.zeros(2, FLOW), np.zeros(2, FLOW_SLOT)
    values["owner_at_ns"][1], values["owner_id"][1] = in_table, in_table and 1
    slots["owner_at_ns"] = in_slots
    slots["owner_id"] = np.where(slots["owner_at_ns"], (2, 3), 0)
    reader_flows._add_owners(values, slots, np.array([1, 1]))
    assert values["owner_id"].tolist() == [0, reported]


def test_the_kernel_is_known_where_the_root_is_watched() -> None:
    records = np.zeros(3, OWNER)
    records["pid"] = (7, 0, 0)
    records["started_ns"] = (5, KERNEL_STARTED_NS, 0)
    assert list(is_known(records)) == [True, True, False]
    ids, left = without_kernel(np.array([10, 11, 12], np.uint64), records)
    assert (list(ids), list(left["pid"])) == ([10, 12], [7, 0])


def test_what_the_kernel_answers_counts_as_covered() -> None:
    fake = SampleBuilder()
    fake.owner(1, started_ns=KERNEL_STARTED_NS, comm="kernel", tx=(1, 84))
    fake.owner(2, comm="", tx=(1, 16))
    fake.layer_counters["bytes"] = (0, 100)
    fake.flow("10.0.0.1", "10.0.0.2", 1, rx=(1, 98), tx=(1, 98), owner_id=1)
    reported = ledger_record(fake.sample)
    assert (reported["unattributed_packets"], reported["unattributed_bytes"]) == (1, 16)
    assert reported["coverage_percent"] == {"xdp": 100.0, "tc": 100.0, "cgroup": 84.0}
    assert comms(fake) == ["kernel"]


def _tcp_socket(fake: SampleBuilder, owner_id: int, local: str, remote: str, **more: Any) -> Any:
    row: Any = fake.socket(owner_id, family=10 if ":" in local else 2, protocol=6, tcp_state=1)
    for side, address in (("local", local), ("remote", remote)):
        row[f"{side}_addr"] = np.frombuffer(packed(address), np.uint8)
    row["local_port_be"], row["remote_port_be"] = np.array((443, 40000), ">u2").view("=u2")
    for name, value in more.items():
        row[name] = value
    return row


@pytest.mark.parametrize(
    "other",
    [
        {"local": ("10.0.0.1", "10.0.0.8")},
        {"ports": (444, 40000)},
        {"ports": (443, 40001)},
        {"local": ("a00:1::", "a00:9::")},  # the same bytes, in the other family
        {"protocol": 17},
    ],
)
def test_a_flow_belongs_to_the_socket_that_agrees_in_all(other: dict[str, Any]) -> None:
    fake = SampleBuilder()
    fake.owner(1, pid=FREE_PID, comm="its own")
    _tcp_socket(fake, 1, "10.0.0.1", "10.0.0.9")
    fake.flow("10.0.0.1", "10.0.0.9", ports=(443, 40000))
    assert comms(fake) == ["its own"]
    local, remote = other.get("local", ("10.0.0.1", "10.0.0.9"))
    fake = SampleBuilder()
    fake.owner(1, pid=FREE_PID, comm="its own")
    _tcp_socket(fake, 1, "10.0.0.1", "10.0.0.9")
    ports = other.get("ports", (443, 40000))
    fake.flow(local, remote, other.get("protocol", 6), ports=ports)
    assert comms(fake) == [None]


@pytest.mark.parametrize(
    ("is_connected", "noted", "reported"),
    [(True, 2, 1), (True, 0, 1), (False, 2, 2), (False, 0, 1)],
)
def test_who_sends_comes_before_who_listens(
    *, is_connected: bool, noted: int, reported: int
) -> None:
    """And a connected socket before both: it may have changed hands since."""
    fake = SampleBuilder()
    fake.owner(1, pid=FREE_PID, comm="1")
    fake.owner(2, pid=FREE_PID - 1, comm="2")
    row = _tcp_socket(fake, 1, "10.0.0.1", "10.0.0.9")
    if not is_connected:
        row["remote_port_be"], row["remote_addr"][:] = 0, 0
    fake.flow("10.0.0.1", "10.0.0.9", ports=(443, 40000), owner_id=noted)
    assert comms(fake) == [str(reported)]
