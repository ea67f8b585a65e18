# SPDX-License-Identifier: MIT
"""Rates of every table, in both directions, against what the counters were made to count."""

from __future__ import annotations

import pytest

from tests.unit.sample_builder import SampleBuilder
from trafficmon.layout import AttachMode, Hook, Layer, ServiceKind
from trafficmon.model.dns import Dns, NameCounts
from trafficmon.model.parts import Part
from trafficmon.tables.catalogue import TABLES, table_maker
from trafficmon.tables.dns import dns_table
from trafficmon.tables.rates import RateKeeper
from trafficmon.tables.table import Record

RX, TX = 6_000, 1_500  # bytes between the two readings: in and out are not to be mistaken
BEFORE_RX, BEFORE_TX = 70_000, 90_000


def reading(rx: int, tx: int) -> SampleBuilder:
    """All counters of it have counted so many bytes in and out."""
    fake, rx_counts, tx_counts = SampleBuilder(), (rx // 100, rx), (tx // 100, tx)
    fake.interface(0, "eth0")
    fake.flow("10.0.0.1", "10.0.0.2", ports=(443, 50000), owner_id=1, rx=rx_counts, tx=tx_counts)
    fake.service(ServiceKind.PORT, 443, protocol=6, rx=rx_counts, tx=tx_counts)
    fake.owner(
        1, pid=99_999_998, cgroup_id=900_001, comm="nginx", app=(rx, tx), rx=rx_counts, tx=tx_counts
    )
    own = fake.socket(1, protocol=6, family=2, tcp_state=1)["socket"]
    for of in ("own", "settled"):  # the owner's row has them already
        own[of]["rx_bytes"], own[of]["tx_bytes"] = rx, tx
    fake.hook(Hook.TC_RX, [rx // 100], rx)
    fake.hook(Hook.TC_TX, [tx // 100], tx)
    for layer, octets in ((Layer.CGROUP_RX, rx), (Layer.CGROUP_TX, tx)):
        fake.layer_counters[layer]["bytes"] = octets
    fake.drop(0xFFFF_0000, 5, rx // 100, rx)
    return fake


def rated(name: str, elapsed_s: float) -> list[Record]:
    """The rows of the second of two readings, which were so far apart."""
    moments = iter((1000.0, 1000.0 + elapsed_s))
    keeper = RateKeeper(lambda: next(moments))
    keeper.add_rates(table_maker(name)(reading(BEFORE_RX, BEFORE_TX).sample))
    later = reading(BEFORE_RX + RX, BEFORE_TX + TX)
    table = keeper.add_rates(table_maker(name)(later.sample))
    return [table.record(row) for row in range(table.length)]


@pytest.mark.parametrize("elapsed_s", [0.5, 3.0, 60.0, 7.3])
@pytest.mark.parametrize("name", [name for name in TABLES if name not in ("dns", "drops")])
def test_in_and_out_are_distinguished(name: str, elapsed_s: float) -> None:
    rx, tx = RX / elapsed_s, TX / elapsed_s
    rows = [row for row in rated(name, elapsed_s) if row["rate"]]
    assert rows
    for row in rows:
        reported = row["rx_rate"], row["tx_rate"], row["rate"]
        assert reported == pytest.approx((rx, tx, rx + tx)), row


@pytest.mark.parametrize("elapsed_s", [0.5, 3.0, 60.0])
def test_drops_have_no_direction(elapsed_s: float) -> None:
    (row,) = rated("drops", elapsed_s)
    assert (row["rx_rate"], row["tx_rate"]) == (None, None)
    assert row["rate"] == pytest.approx(RX / elapsed_s)


def test_what_nothing_counts_has_no_rate() -> None:
    xdp, *others = rated("layers", 1.0)
    assert (xdp["rx_rate"], xdp["tx_rate"], xdp["rate"]) == (None, None, None)
    assert all(row["rate"] for row in others)


def test_a_direction_that_nothing_counts_has_no_rate() -> None:
    keeper = RateKeeper(iter((1.0, 2.0)).__next__)
    for rx in (1000, 4000):
        fake = SampleBuilder()
        fake.interface(0, "eth0", xdp_mode=AttachMode.XDP_NATIVE, tc_mode=AttachMode.OFF)
        fake.hook(Hook.XDP_RX, [rx // 100], rx)
        row = keeper.add_rates(table_maker("interfaces")(fake.sample)).record(0)
    assert (row["rx_rate"], row["tx_rate"], row["rate"]) == (3000.0, None, 3000.0)


def test_the_time_is_that_of_the_counters_however_long_the_reading_took() -> None:
    """What came after they were read does not count, nor when the next reading was due."""
    keeper = RateKeeper(lambda: 0.0)
    for rx, at_s in ((0, 100.0), (RX, 112.5)):
        fake = reading(rx, 0)
        fake.read_at_s = dict.fromkeys(Part, at_s)
        table = keeper.add_rates(table_maker("ports")(fake.sample))
    assert table.record(0)["rx_rate"] == pytest.approx(RX / 12.5)
    assert keeper.elapsed_s == 12.5


@pytest.mark.parametrize("name", TABLES)
def test_every_table_that_is_rated_says_when_it_was_read(name: str) -> None:
    fake = reading(RX, TX)
    fake.read_at_s = dict.fromkeys(Part, 5.0)
    assert table_maker(name)(fake.sample).read_at_s == (None if name == "dns" else 5.0)


def test_a_name_of_dns_keeps_its_identity_when_others_come_before_it() -> None:
    """By its place it would be another name's row in the next reading."""

    def identities(*names: str) -> list[int]:
        fake = SampleBuilder()
        fake.dns = Dns([(("dns", name, "A"), NameCounts()) for name in names])
        found: list[int] = dns_table(fake.sample).identity().tolist()
        return found

    first, second = identities("a.example", "b.example")
    assert identities("new.example", "a.example", "b.example")[1:] == [first, second]
    assert first != second
