# SPDX-License-Identifier: MIT
"""The loss ledger: each loss under its own name. No two numbers of a reading are alike."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.sample_builder import SampleBuilder
from trafficmon.layout import KERNEL_STARTED_NS, EventKind, Hook, Layer, ServiceKind
from trafficmon.model.ledger import Ledger
from trafficmon.tables.ledger import cgroup_coverage, ledger_record

HERE, THERE, THERE6 = "10.0.0.2", "192.0.2.7", "2001:db8::7"
PORT, PROTOCOL = ServiceKind.PORT, ServiceKind.PROTOCOL
KNOWN_PID = 4321


@pytest.fixture
def fake() -> SampleBuilder:
    made = SampleBuilder()
    made.interface(0, "eth0")
    return made


def ledger(fake: SampleBuilder) -> dict[str, Any]:
    return ledger_record(fake.sample)


def test_nothing_seen_is_nothing_lost(fake: SampleBuilder) -> None:
    reported = ledger(fake)
    assert reported.pop("coverage_percent") == {"xdp": None, "tc": None, "cgroup": None}
    assert reported.pop("flow_coverage_percent") is None
    assert set(reported.values()) == {0}


def test_what_could_not_be_inserted(fake: SampleBuilder) -> None:
    fake.losses = Ledger(
        flow_inserts=1,
        flow_insert_failures=2,
        flow_insert_failure_bytes=300,
        service_insert_failures=4,
        service_insert_failure_bytes=500,
        fragment_insert_failures=6,
    )
    fake.service(PORT, 443, protocol=6, rx=(3, 1000))
    fake.flow(HERE, THERE, ports=(1, 443), rx=(1, 600))

    reported = ledger(fake)
    assert reported["flow_evictions"] == 0
    assert reported["flow_insert_failures"] == 2
    assert reported["flow_insert_failure_bytes"] == 300
    assert reported["service_insert_failures"] == 4
    assert reported["service_insert_failure_bytes"] == 500
    assert reported["fragment_insert_failures"] == 6
    # 400 bytes are in no flow: 300 of them by failed inserts, the rest was evicted
    assert reported["evicted_flow_bytes"] == 100
    assert reported["flow_coverage_percent"] == 60.0


@pytest.mark.parametrize("is_tx", [False, True])
def test_evictions_take_the_bytes_along_that_no_flow_has(
    fake: SampleBuilder, *, is_tx: bool
) -> None:
    def side(packets: int, octets: int) -> Any:
        return {"tx" if is_tx else "rx": (packets, octets)}

    fake.losses = Ledger(7, 0, 0, 0, 0, 0)
    fake.service(PORT, 443, protocol=6, **side(3, 3000))
    fake.service(PROTOCOL, protocol=1, **side(2, 1000))
    fake.service(ServiceKind.ETHERTYPE, 0x806, version=0, **side(9, 540))  # not IP: in no flow
    fake.service(ServiceKind.BROKEN, **side(5, 77))
    fake.flow(HERE, THERE, ports=(1, 443), **side(1, 1500))
    fake.flow(HERE, THERE, 1, **side(1, 500))

    reported = ledger(fake)
    assert reported["flow_evictions"] == 5
    assert reported["evicted_flow_bytes"] == 2000
    assert reported["flow_coverage_percent"] == 50.0


def test_more_entries_than_inserts_are_no_evictions(fake: SampleBuilder) -> None:
    """The table is read after the counts: a flow may have begun in between."""
    fake.flow(HERE, THERE, ports=(1, 443), rx=(1, 1500))
    assert ledger(fake)["flow_evictions"] == 0


def test_without_evictions_a_packet_between_two_readings_is_no_loss(fake: SampleBuilder) -> None:
    fake.losses = Ledger(1, 0, 0, 0, 0, 0)
    fake.service(PORT, 443, protocol=6, rx=(3, 3000))
    fake.flow(HERE, THERE, ports=(1, 443), rx=(1, 1500))

    reported = ledger(fake)
    assert (reported["flow_evictions"], reported["evicted_flow_bytes"]) == (0, 0)
    assert reported["flow_coverage_percent"] == 100.0


def test_each_kind_of_event_is_lost_under_its_name(fake: SampleBuilder) -> None:
    for kind in EventKind:
        fake.events[kind]["lost"] = 1 << kind
        fake.events[kind]["limited"] = 1 << (kind + 8)

    reported = ledger(fake)
    assert reported["event_limited"] == sum(1 << (kind + 8) for kind in EventKind)
    assert reported["event_drops"] == sum(1 << kind for kind in EventKind)
    assert reported["dns_message_drops"] == 1 << EventKind.DNS
    assert reported["sample_drops"] == 1 << EventKind.SAMPLE
    assert reported["log_row_drops"] == (1 << EventKind.ROW) + (1 << EventKind.WRITTEN)


@pytest.mark.parametrize(
    ("noted", "field"),
    [
        ("malformed", "dns_malformed"),
        ("incomplete", "dns_incomplete"),
        ("unread_records", "dns_unread_records"),
        ("streams", "dns_lost_streams"),
        ("names_forgotten", "dns_names_forgotten"),
        ("addresses_forgotten", "dns_addresses_forgotten"),
    ],
)
def test_what_the_dns_book_lost(fake: SampleBuilder, noted: str, field: str) -> None:
    fake.dns_losses = {noted: 9}
    reported = {name: value for name, value in ledger(fake).items() if name.startswith("dns_")}
    assert reported.pop(field) == 9
    assert set(reported.values()) == {0}


def test_broken_headers_count_once_where_two_hooks_saw_them(fake: SampleBuilder) -> None:
    for place, hook in enumerate((Hook.XDP_RX, Hook.TC_RX, Hook.TC_TX, Hook.XDP_GENERIC)):
        fake.hook(hook, [10**place], 0, broken=10**place)
    assert ledger(fake)["parse_errors"] == 111, "what generic XDP saw, tc counts"


class TestOwners:
    @pytest.fixture
    def owned(self, fake: SampleBuilder) -> SampleBuilder:
        """Of 10,000 bytes at the cgroup layer 700 have no owner, and 300 one without a process."""
        fake.owner(1, pid=KNOWN_PID, rx=(10, 5000), tx=(20, 3000))
        fake.owner(2, uid=33, rx=(1, 100), tx=(2, 200))
        fake.owner(3, started_ns=KERNEL_STARTED_NS, tx=(4, 1000))
        rx, tx = fake.layer_counters[Layer.CGROUP_RX], fake.layer_counters[Layer.CGROUP_TX]
        rx["packets"], rx["bytes"], tx["packets"], tx["bytes"] = 16, 5500, 40, 4500
        rx["unowned_packets"], rx["unowned_bytes"] = 5, 400
        tx["unowned_packets"], tx["unowned_bytes"] = 14, 300
        rx["owner_insert_failures"], tx["owner_insert_failures"] = 64, 128
        return fake

    def test_what_has_no_process(self, owned: SampleBuilder) -> None:
        reported = ledger(owned)
        assert reported["unattributed_packets"] == 5 + 14 + 1 + 2
        assert reported["unattributed_bytes"] == 400 + 300 + 100 + 200
        assert reported["owner_insert_failures"] == 192

    def test_coverage_by_layer(self, owned: SampleBuilder) -> None:
        owned.flow(HERE, THERE, ports=(1, 80), rx=(1, 600), tx=(1, 100), owner_id=1)
        owned.flow(HERE, THERE, ports=(2, 80), rx=(1, 150), tx=(1, 700), owner_id=2)
        owned.flow(HERE, THERE, ports=(3, 80), rx=(1, 50), tx=(1, 200), owner_id=3)
        owned.flow(HERE, THERE, ports=(4, 80), rx=(1, 200), tx=(1, 0))

        reported = ledger(owned)["coverage_percent"]
        assert reported == {"xdp": 65.0, "tc": 47.5, "cgroup": 90.0}
        assert cgroup_coverage(owned.sample) == 90.0

    def test_without_the_layer_they_are_null(self, owned: SampleBuilder) -> None:
        owned.hooks.clear()
        reported = ledger(owned)
        assert reported["unattributed_packets"] is None
        assert reported["unattributed_bytes"] is None
        assert reported["owner_insert_failures"] is None
        assert reported["coverage_percent"] == {"xdp": None, "tc": None, "cgroup": None}
        assert cgroup_coverage(owned.sample) is None
