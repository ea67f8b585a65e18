# SPDX-License-Identifier: MIT
"""No protocol, state, family or role that the kernel can hand out ends a table."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tests.unit.sample_builder import SampleBuilder, packed
from trafficmon.filter.evaluate import matches
from trafficmon.filter.parser import parse
from trafficmon.layout import SocketKind
from trafficmon.model.mptcp import whole_connections
from trafficmon.model.sockets import IPPROTO_MPTCP
from trafficmon.protocols import socket_protocol_name
from trafficmon.reader.sockets import as_on_the_wire
from trafficmon.tables.catalogue import table_maker
from trafficmon.tables.query import choose_rows

INET, INET6, TCP, LISTEN = 2, 10, 6, 10
IPPROTO_SMC = 256


def rows(fake: SampleBuilder, expression: str = "") -> list[dict[str, Any]]:
    table = table_maker("connections")(fake.sample)
    mask = matches(parse(expression), table.filter_columns()) if expression else None
    reported = [table.record(row) for row in choose_rows(table, mask, None, None)]
    for key in table.sort_keys:
        assert len(choose_rows(table, None, key, None)) == table.length
    assert len(table.identity()) == table.length
    return reported


def every(field: str, values: range, **others: int) -> SampleBuilder:
    fake = SampleBuilder()
    for value in values:
        fake.socket(1, **({"family": INET, "protocol": TCP, "tcp_state": 1} | others))[field] = (
            value
        )
    return fake


def test_every_protocol() -> None:
    fake = every("protocol", range(0x10000))
    reported = rows(fake)
    assert len(reported) == 0x10000
    names = [row["protocol"] for row in reported]
    assert names[:256] == [socket_protocol_name(number) for number in range(256)]
    assert {names[255], names[IPPROTO_SMC], names[257], names[0xFFFF]} == {
        "255",
        "smc",
        "257",
        "65535",
    }
    assert names[IPPROTO_MPTCP] == "tcp"
    json.dumps(reported)


def test_a_filter_for_tcp_finds_mptcp_and_nothing_else() -> None:
    fake = every("protocol", range(0x200))
    found = rows(fake, "proto tcp")
    assert [row["mptcp"] for row in found] == [False, True]
    assert rows(fake, "proto 255")[0]["protocol"] == "255"


@pytest.mark.parametrize("protocol", [TCP, IPPROTO_MPTCP])
def test_every_state(protocol: int) -> None:
    states = [row["state"] for row in rows(every("tcp_state", range(256), protocol=protocol))]
    assert states[1] == "established"
    assert states[10:12] == ["listen", "closing"]
    assert states[12] == "syn-recv"
    assert [states[0], *states[13:]] == [None] * 244


def test_every_family() -> None:
    """Nothing is known of addresses of a family that has none of four or sixteen bytes."""
    reported = rows(every("family", range(256)))
    assert [n for n, row in enumerate(reported) if row["local_addr"] is not None] == [INET, INET6]
    assert reported[17]["protocol"] == "packet"


@pytest.mark.parametrize(
    "member", ["role", "kind", "close_reason", "write_seq_flags", "predates_attach", "released"]
)
def test_every_value_of_what_the_programs_write(member: str) -> None:
    fake = SampleBuilder()
    for value in range(256):
        fake.socket(1, family=INET, protocol=TCP, tcp_state=1)["socket"][member] = value
    assert len(rows(fake)) == 256
    assert fake.owners is not None


def test_owners_take_every_protocol_and_state() -> None:
    fake = every("protocol", range(0x10000))
    for state in range(256):
        fake.socket(1, family=INET, protocol=IPPROTO_MPTCP, tcp_state=state)
    owners = fake.owners
    assert owners is not None
    # of TCP and MPTCP those that are neither listening nor closed
    assert owners.records["connections"].tolist() == [2 + 254]
    as_on_the_wire(fake.sockets)


def subflow(fake: SampleBuilder, local: str, remote: str, **members: Any) -> Any:
    row = fake.socket(1, family=INET, protocol=TCP, tcp_state=1, **members)
    row["socket"]["kind"] = SocketKind.SUBFLOW
    for side, text in (("local", local), ("remote", remote)):
        row[f"{side}_addr"] = np.frombuffer(packed(text), np.uint8)
    row["socket"]["own"]["rx_bytes"], row["socket"]["own"]["tx_bytes"] = 100, 10
    return row


class TestMptcp:
    @staticmethod
    def connection(fake: SampleBuilder, local: str, remote: str, token: int) -> Any:
        row = fake.socket(1, family=INET, protocol=IPPROTO_MPTCP, tcp_state=1, mptcp_token=token)
        for side, text in (("local", local), ("remote", remote)):
            row[f"{side}_addr"] = np.frombuffer(packed(text), np.uint8)
        row["socket"]["own"]["app_rx_bytes"] = 77
        return row

    def test_subflows_are_in_the_row_of_their_connection(self) -> None:
        fake = SampleBuilder()
        subflow(fake, "10.0.0.1", "10.0.0.2", mptcp_token=5, retransmits=1, srtt_us=40)
        self.connection(fake, "10.0.0.1", "10.0.0.2", 5)
        other = subflow(fake, "10.9.0.1", "10.9.0.2", mptcp_token=5, retransmits=2, srtt_us=90)
        other["socket"]["own"]["rx_bytes"], other["socket"]["role"] = 1000, 2
        (row,) = rows(fake)
        assert (row["protocol"], row["mptcp"], row["remote_addr"]) == ("tcp", True, "10.0.0.2")
        assert (row["rx_bytes"], row["tx_bytes"], row["app_rx_bytes"]) == (1100, 20, 77)
        assert (row["retransmits"], row["rtt_us"], row["role"]) == (3, 90, "passive")

    def test_one_that_fell_back_has_no_token(self) -> None:
        fake = SampleBuilder()
        self.connection(fake, "10.0.0.1", "10.0.0.2", 0)
        subflow(fake, "10.0.0.1", "10.0.0.2")
        (row,) = rows(fake)
        assert (row["rx_bytes"], row["app_rx_bytes"]) == (100, 77)

    def test_other_connections_subflows_stay_apart(self) -> None:
        fake = SampleBuilder()
        self.connection(fake, "10.0.0.1", "10.0.0.2", 5)
        subflow(fake, "10.0.0.1", "10.0.0.3", mptcp_token=6)
        one, other = rows(fake)
        assert (one["rx_bytes"], one["app_rx_bytes"], one["mptcp"]) == (100, None, True)
        assert (other["rx_bytes"], other["app_rx_bytes"]) == (0, 77)

    def test_a_listener_is_not_its_connection(self) -> None:
        fake = SampleBuilder()
        self.connection(fake, "0.0.0.0", "0.0.0.0", 0)["tcp_state"] = LISTEN
        mine = subflow(fake, "0.0.0.0", "0.0.0.0")
        mine["tcp_state"], mine["socket"]["listening"]["rx_packets"] = LISTEN, 3
        (row,) = rows(fake)
        assert (row["state"], row["rx_packets"]) == ("listen", 3)

    def test_what_was_read_is_not_changed(self) -> None:
        fake = SampleBuilder()
        self.connection(fake, "10.0.0.1", "10.0.0.2", 5)
        subflow(fake, "10.0.0.1", "10.0.0.2", mptcp_token=5)
        sockets = fake.sockets
        before = sockets.copy()
        whole_connections(sockets)
        assert (sockets == before).all()

    def test_it_is_one_connection_of_its_owner(self) -> None:
        fake = SampleBuilder()
        self.connection(fake, "10.0.0.1", "10.0.0.2", 5)
        for remote in ("10.0.0.2", "10.0.0.3"):
            subflow(fake, "10.0.0.1", remote, mptcp_token=5)["socket"]["has_traffic"] = 1
        assert fake.owners is not None
        assert fake.owners.records["connections"].tolist() == [1]
        assert fake.owners.records["rx_bytes"].tolist() == [200]
