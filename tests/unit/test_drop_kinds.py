# SPDX-License-Identifier: MIT
"""Losses and housekeeping, by what the kernel reports of a packet that it frees."""

from __future__ import annotations

import pytest

from tests.unit.sample_builder import SampleBuilder
from trafficmon.layout import DropFact
from trafficmon.model.drop_kinds import HOUSEKEEPING, LOSS, drop_kind
from trafficmon.tables import drops
from trafficmon.tables.catalogue import table_maker

NO_DATA, TIME_WAIT = int(DropFact.NO_DATA), int(DropFact.TIME_WAIT)


@pytest.mark.parametrize(
    ("reason", "location", "facts", "kind"),
    [
        ("queue_purge", "inet_sock_destruct", NO_DATA, HOUSEKEEPING),
        ("queue_purge", "inet_sock_destruct", 0, LOSS),
        ("not_specified", "skb_queue_purge", NO_DATA, HOUSEKEEPING),
        ("not_specified", "skb_queue_purge", 0, LOSS),
        (None, "skb_queue_purge", NO_DATA, HOUSEKEEPING),
        (None, "skb_queue_purge", 0, LOSS),
        ("socket_rcvbuff", "tcp_data_queue", NO_DATA, LOSS),
        ("not_specified", "tcp_v4_rcv", 0, HOUSEKEEPING),
        ("not_specified", "tcp_v6_rcv", TIME_WAIT, HOUSEKEEPING),
        (None, "tcp_v4_rcv", 0, LOSS),
        ("no_socket", "tcp_v4_rcv", 0, LOSS),
        ("tcp_csum", "tcp_v6_rcv", 0, LOSS),
        ("tcp_rfc7323_tw_paws", "tcp_v4_rcv", TIME_WAIT, LOSS),
        ("not_specified", "igmp_rcv", 0, HOUSEKEEPING),
        ("not_specified", "ip6_mc_input", 0, HOUSEKEEPING),
        ("no_socket", "ip6_mc_input", 0, LOSS),
        ("no_socket", "ping_rcv", 0, HOUSEKEEPING),
        ("not_specified", "ping_rcv", 0, LOSS),
        ("not_specified", "ip_rcv_core", 0, LOSS),
        ("tcp_old_data", "tcp_data_queue", 0, HOUSEKEEPING),
        ("tcp_overwindow", "tcp_data_queue", 0, LOSS),
        ("tcp_reset", "tcp_validate_incoming", 0, HOUSEKEEPING),
        ("otherhost", "ip_rcv_core", 0, HOUSEKEEPING),
        ("netfilter_drop", "nf_hook_slow", 0, LOSS),
        ("3000000", "ovs_dp_process_packet", 0, LOSS),
        ("a_reason_of_next_year", "tcp_v4_rcv", 0, LOSS),
    ],
)
def test_only_what_is_known_to_be_housekeeping_is(
    reason: str | None, location: str, facts: int, kind: str
) -> None:
    assert drop_kind(reason, location, facts) == kind


@pytest.fixture
def fake() -> SampleBuilder:
    made = SampleBuilder()
    made.reasons = {5: "SKB_DROP_REASON_QUEUE_PURGE", 6: "SKB_DROP_REASON_NO_SOCKET"}
    made.drop(1, 5, packets=7, octets=0, facts=NO_DATA)
    made.drop(1, 5, packets=2, octets=90)
    made.drop(1, 6, packets=3, octets=120)
    return made


def test_the_table_has_losses_and_with_all_the_rest(fake: SampleBuilder) -> None:
    def reported(*, every: bool) -> list[tuple[str, int, str]]:
        table = table_maker("drops", every=every)(fake.sample)
        records = [table.record(row) for row in range(table.length)]
        return sorted((r["reason"], r["packets"], r["kind"]) for r in records)

    losses = [("no_socket", 3, LOSS), ("queue_purge", 2, LOSS)]
    assert reported(every=False) == losses
    assert reported(every=True) == sorted([*losses, ("queue_purge", 7, HOUSEKEEPING)])
    assert drops.lost_packets(fake.sample) == 5


def test_layers_do_not_report_packets_without_data(fake: SampleBuilder) -> None:
    assert drops.drops_by_side(fake.sample) == (3, 2)
