# SPDX-License-Identifier: MIT
"""Users, processes, cgroups and connections, and the owners of flows, from made-up readings."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.sample_builder import SampleBuilder, packed
from trafficmon.errors import NotAttachedError
from trafficmon.filter.evaluate import matches
from trafficmon.filter.parser import parse
from trafficmon.hook_registry import HOST_HOOKS
from trafficmon.model.owners import COUNTS, not_handed_over
from trafficmon.model.sockets import TCP_CLOSE, TCP_LISTEN
from trafficmon.tables import drops
from trafficmon.tables.catalogue import table_maker
from trafficmon.tables.query import choose_rows

INET, INET6, TCP, UDP, ESTABLISHED = 2, 10, 6, 17, 1
FREE_PID = 0x7FFFFFFF
"""Beyond what a pid can be: no one has it, so all names are those of the reading."""


@pytest.fixture
def fake() -> SampleBuilder:
    made = SampleBuilder()
    made.interface(0, "eth0")
    return made


def rows(fake: SampleBuilder, name: str, expression: str = "") -> list[dict[str, Any]]:
    table = table_maker(name)(fake.sample)
    mask = matches(parse(expression), table.filter_columns()) if expression else None
    reported = [table.record(row) for row in choose_rows(table, mask, None, None)]
    for record in reported:
        assert list(record) == list(table.fields)
        assert json.loads(json.dumps(record)) == record
    for key in table.sort_keys:
        assert len(choose_rows(table, None, key, None)) == table.length
    return reported


def socket(fake: SampleBuilder, owner_id: int, local: str, remote: str = "", **more: Any) -> Any:
    """A connected socket, or one that takes from everybody; addresses with their ports."""
    members: dict[str, Any] = {"protocol": TCP, "tcp_state": ESTABLISHED, "family": INET}
    for side, text in (("local", local), ("remote", remote)):
        if text:
            address, _, port = text.rpartition(":")
            members[f"{side}_addr"] = np.frombuffer(packed(address), np.uint8)
            members[f"{side}_port_be"] = int.from_bytes(int(port).to_bytes(2, "big"), "little")
            members["family"] = INET6 if ":" in address else INET
    return fake.socket(owner_id, **(members | more))


@pytest.mark.parametrize("name", ["users", "processes", "cgroups", "connections", "drops"])
def test_a_layer_that_is_not_attached_is_named(fake: SampleBuilder, name: str) -> None:
    fake.hooks.clear()
    with pytest.raises(NotAttachedError, match="attach --layer"):
        table_maker(name)(fake.sample)


def test_owners_are_put_together_by_user_process_and_cgroup(fake: SampleBuilder) -> None:
    fake.owner(1, pid=FREE_PID, uid=0, cgroup_id=7, comm="nginx", rx=(1, 100), tx=(2, 20))
    fake.owner(2, pid=FREE_PID - 1, uid=0, cgroup_id=8, comm="nginx", rx=(4, 400), app=(5, 6))
    fake.owner(3, pid=FREE_PID, uid=FREE_PID, cgroup_id=7, comm="sh", tx=(8, 800), connections=3)
    fake.owner(4, pid=1, comm="idle")

    users = rows(fake, "users")
    assert [(u["uid"], u["user"], u["rx_bytes"], u["tx_bytes"]) for u in users] == [
        (FREE_PID, None, 0, 800),
        (0, "root", 500, 20),
    ]
    processes = rows(fake, "processes")
    assert [(p["pid"], p["comm"], p["uid"]) for p in processes] == [
        (FREE_PID, "sh", FREE_PID),
        (FREE_PID - 1, "nginx", 0),
        (FREE_PID, "nginx", 0),
    ]
    groups = rows(fake, "cgroups")
    assert [(g["cgroup_id"], g["rx_packets"], g["connections"]) for g in groups] == [
        (7, 1, 3),
        (8, 4, 0),
    ]
    for field in (*COUNTS, "connections"):
        sums = {sum(row[field] for row in reported) for reported in (users, processes, groups)}
        assert len(sums) == 1


def test_without_the_app_layer_its_bytes_are_null(fake: SampleBuilder) -> None:
    fake.hooks = {kind for kind, hook in HOST_HOOKS.items() if hook.layer != "app"}
    fake.owner(1, pid=FREE_PID, rx=(1, 1))
    (user,) = rows(fake, "users")
    assert (user["app_rx_bytes"], user["app_tx_bytes"], user["rx_bytes"]) == (None, None, 1)


def test_open_sockets_count_what_they_have_not_handed_over(fake: SampleBuilder) -> None:
    fake.owner(1, pid=FREE_PID, rx=(10, 1000), connections=1)
    one = socket(fake, 1, "10.0.0.1:80", "10.0.0.2:999")
    one["socket"]["own"]["rx_bytes"], one["socket"]["settled"]["rx_bytes"] = 700, 200
    one["socket"]["has_traffic"] = 1
    closed = socket(fake, 1, "10.0.0.1:80", "10.0.0.2:998")
    closed["socket"]["has_traffic"] = closed["socket"]["released"] = 1
    stranger = socket(fake, 99, "10.0.0.1:80", "10.0.0.2:997")
    stranger["socket"]["own"]["tx_bytes"] = 5

    # neither connected nor a carrier of any packet: no connection
    socket(fake, 1, "10.0.0.1:80", "10.0.0.2:996", tcp_state=TCP_CLOSE)

    reported = {row["pid"]: row for row in rows(fake, "processes")}
    assert (reported[FREE_PID]["rx_bytes"], reported[FREE_PID]["connections"]) == (1500, 2)
    assert reported[None]["tx_bytes"] == 5


def test_what_a_listener_counted_is_not_its_childrens(fake: SampleBuilder) -> None:
    listener = socket(fake, 1, "10.0.0.1:80", tcp_state=TCP_LISTEN)
    child = socket(fake, 1, "10.0.0.1:80", "10.0.0.2:999")
    for one in (listener, child):
        one["socket"]["listening"]["rx_bytes"] = 60
    child["socket"]["has_traffic"] = 1
    child["socket"]["own"]["rx_bytes"] = 7
    sockets = fake.sockets
    assert not_handed_over(sockets, "rx_bytes").tolist() == [60, 7]


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_a_socket_caught_while_handing_over_never_counts_below_nothing(
    own: int, moved: int
) -> None:
    fake = SampleBuilder()
    one = socket(fake, 1, "10.0.0.1:80", "10.0.0.2:999")
    one["socket"]["own"]["tx_bytes"], one["socket"]["settled"]["tx_bytes"] = own, moved
    assert not_handed_over(fake.sockets, "tx_bytes").tolist() == [max(0, own - moved)]


class TestFlowsHaveOwners:
    def test_by_who_sent_last(self, fake: SampleBuilder) -> None:
        fake.owner(5, pid=FREE_PID, comm="curl")
        fake.flow("10.0.0.1", "10.0.0.2", ports=(50000, 443), owner_id=5)
        (row,) = rows(fake, "flows")
        assert (row["pid"], row["comm"], row["user"]) == (FREE_PID, "curl", "root")

    def test_by_the_open_socket_before_that(self, fake: SampleBuilder) -> None:
        fake.owner(5, pid=FREE_PID, comm="master")
        fake.owner(6, pid=FREE_PID - 1, comm="worker")
        socket(fake, 6, "10.0.0.1:443", "10.0.0.2:50000", srtt_us=77)
        fake.flow("10.0.0.1", "10.0.0.2", ports=(443, 50000), owner_id=5)
        (row,) = rows(fake, "flows", "comm worker")
        assert (row["comm"], row["rtt_us"]) == ("worker", 77)
        assert rows(fake, "flows", "comm master") == []

    @pytest.mark.parametrize("at", ["10.0.0.1:53", "0.0.0.0:53"])
    def test_what_only_comes_in_belongs_to_the_owner_of_the_receiving_socket(
        self, fake: SampleBuilder, at: str
    ) -> None:
        fake.owner(5, pid=FREE_PID, comm="named")
        socket(fake, 5, at, protocol=UDP, tcp_state=7)
        fake.flow("10.0.0.1", "10.0.0.2", UDP, ports=(53, 4000))
        fake.flow("10.0.0.9", "10.0.0.2", UDP, ports=(54, 4000))
        reported = {row["local_port"]: row["comm"] for row in rows(fake, "flows")}
        assert reported == {53: "named", 54: None}

    def test_ipv6_is_not_ipv4(self, fake: SampleBuilder) -> None:
        fake.owner(5, pid=FREE_PID, comm="six")
        socket(fake, 5, "fd00::1:443", "fd00::2:50000")
        fake.flow("fd00::1", "fd00::2", ports=(443, 50000))
        fake.flow("10.0.0.1", "10.0.0.2", ports=(443, 50000))
        reported = {row["local_addr"]: row["comm"] for row in rows(fake, "flows")}
        assert reported == {"fd00::1": "six", "10.0.0.1": None}

    def test_without_the_layer_no_owner_is_known(self, fake: SampleBuilder) -> None:
        fake.hooks.clear()
        fake.flow("10.0.0.1", "10.0.0.2", ports=(1, 2), owner_id=5)
        (row,) = rows(fake, "flows")
        assert (row["uid"], row["pid"], row["comm"], row["rtt_us"]) == (None,) * 4
        assert rows(fake, "flows", "uid 0") == []


class TestConnections:
    def test_a_tcp_connection(self, fake: SampleBuilder) -> None:
        fake.owner(5, pid=os.getpid(), uid=os.getuid())
        one = socket(fake, 5, "10.0.0.1:443", "10.0.0.2:50000", srtt_us=90, retransmits=2)
        one["tcp_read_bytes"], one["tcp_written_bytes"], one["min_rtt_us"] = 11, 22, 0xFFFFFFFF
        one["socket"]["role"], one["socket"]["own"]["app_rx_bytes"] = 2, 9999
        (row,) = rows(fake, "connections", "local port 443 and remote host 10.0.0.2")
        assert (row["state"], row["role"], row["rtt_us"], row["min_rtt_us"]) == (
            "established",
            "passive",
            90,
            None,
        )
        assert (row["app_rx_bytes"], row["app_tx_bytes"], row["retransmits"]) == (11, 22, 2)
        assert (row["pid"], row["uid"]) == (os.getpid(), os.getuid())
        assert row["opened_at"] is None

    def test_a_datagram_socket_without_a_remote_end(self, fake: SampleBuilder) -> None:
        one = socket(fake, 5, "0.0.0.0:53", protocol=UDP, tcp_state=7)
        one["socket"]["own"]["app_rx_bytes"], one["socket"]["opened_ns"] = 33, 1
        (row,) = rows(fake, "connections")
        assert (row["remote_addr"], row["remote_port"], row["state"]) == (None, None, None)
        assert (row["local_port"], row["app_rx_bytes"], row["pid"]) == (53, 33, None)
        assert row["opened_at"] is not None

    def test_a_packet_socket(self, fake: SampleBuilder) -> None:
        fake.socket(5, family=17, protocol=0x0300)
        (row,) = rows(fake, "connections")
        assert (row["protocol"], row["local_addr"]) == ("packet", None)


def test_drops_by_reason_and_place(fake: SampleBuilder) -> None:
    fake.drop(1, 3, 10, 600)
    fake.drop(1, 3, 1, 60)
    fake.drop(1, 3_000_000, 2, 120)
    first, second = rows(fake, "drops")
    assert (first["packets"], first["bytes"], second["packets"]) == (11, 660, 2)
    assert second["reason"] in ("3000000", None)


@pytest.mark.parametrize(
    ("reason", "sides"),
    [
        ("SOCKET_RCVBUFF", (0, 7)),
        ("QUEUE_PURGE", (0, 7)),
        ("TCP_OLD_DATA", (0, 7)),
        ("TCP_CSUM", (7, 0)),
        ("TCP_MD5NOTFOUND", (7, 0)),
        ("NO_SOCKET", (7, 0)),
        ("NETFILTER_DROP", (7, 0)),
    ],
)
def test_drops_before_and_after_the_count_of_sockets(
    fake: SampleBuilder, reason: str, sides: tuple[int, int]
) -> None:
    fake.reasons = {5: f"SKB_DROP_REASON_{reason}"}
    fake.drop(1, 5, 7, 420)
    assert drops.drops_by_side(fake.sample) == sides


def test_drops_without_reasons_are_all_on_the_way(fake: SampleBuilder) -> None:
    fake.drop(1, 0, 7, 420)
    assert drops.drops_by_side(fake.sample) == (7, 0)
