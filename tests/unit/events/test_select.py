# SPDX-License-Identifier: MIT
"""Which events match an expression or belong to a row, against the records that they have."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.events.names import OFFSET_NS, RECORDED, RecordedNames, raw_events
from trafficmon.dns.learn import Learner
from trafficmon.events.decode import EventDecoder
from trafficmon.events.event import DropEvent, Event, PacketEvent
from trafficmon.events.select import belonging, event_columns, is_below, matching
from trafficmon.filter.errors import FilterError
from trafficmon.filter.parser import parse

SIDES = (("local", "src"), ("remote", "dst"))


@pytest.fixture(scope="module")
def events() -> list[Event]:
    decoder, learner = EventDecoder(RecordedNames()), Learner()
    kernel = [decoder.decode(raw, OFFSET_NS) for raw in raw_events()]
    seen = [one for part in RECORDED["dns"] for one in learner.read(bytes.fromhex(part["raw"]))]
    return kernel + [decoder.dns(one, OFFSET_NS) for one in seen]


def end(record: dict[str, Any], side: int, what: str) -> Any:
    names = SIDES[side]
    return record.get(f"{names[0]}_{what}", record.get(f"{names[1]}_{what}"))


def within(record: dict[str, Any], side: int, network: str) -> bool:
    address = ipaddress.ip_address(end(record, side, "addr"))
    return address in ipaddress.ip_network(network)


EXPRESSIONS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "host 10.0.1.1": lambda r: any(end(r, side, "addr") == "10.0.1.1" for side in (0, 1)),
    "local host 10.0.1.1": lambda r: end(r, 0, "addr") == "10.0.1.1",  # sources of drops
    "remote net fd00::/16": lambda r: within(r, 1, "fd00::/16"),
    "net 10.0.0.0/8": lambda r: within(r, 0, "10.0.0.0/8"),
    "port 5000": lambda r: 5000 in (end(r, 0, "port"), end(r, 1, "port")),
    "remote port 4": lambda r: end(r, 1, "port") == 4,
    "proto udp": lambda r: r["protocol"] == "udp",
    "proto icmpv6": lambda r: r["protocol"] == "icmpv6",
    "ip6": lambda r: ":" in end(r, 0, "addr"),
    "ip": lambda r: ":" not in end(r, 0, "addr"),
    "dir in": lambda r: r.get("direction") != "out",
    "dir out": lambda r: r.get("direction") != "in",
    "iface tmserver": lambda r: r.get("interface") == "tmserver",
    "user root": lambda r: r.get("user") == "root",
    "uid 0": lambda r: r.get("uid") == 0,
    "comm tm-*": lambda r: (r.get("comm") or "").startswith("tm-"),
    "comm kernel": lambda r: r.get("comm") == "kernel",
    "cgroup /": lambda r: r.get("cgroup") == "/",
}


@pytest.mark.parametrize("text", EXPRESSIONS)
@pytest.mark.parametrize("negated", [False, True])
def test_what_matches_is_what_the_record_says(
    events: list[Event], text: str, negated: bool
) -> None:
    chosen = matching(events, parse(f"not {text}" if negated else text))
    expected = [one for one in events if EXPRESSIONS[text](one.record()) != negated]
    assert chosen == expected
    assert 0 < len(expected) < len(events)


def test_without_an_expression_all_match(events: list[Event]) -> None:
    assert matching(events, None) == events
    assert matching([], parse("port 1")) == []


def test_a_term_that_events_have_nothing_for_is_refused(events: list[Event]) -> None:
    columns = event_columns(events)
    assert {"local_addr", "remote_port", "cgroup"} <= columns.names()
    with pytest.raises(FilterError):
        matching(events, parse("port 99999"))


def rows_of(table: str, events: list[Event]) -> list[dict[str, Any]]:
    """As the tables have them: what the events' records say of flows, processes and so on."""
    records = [one.record() for one in events]
    names = {
        "flows": ("protocol", "local_addr", "local_port", "remote_addr", "remote_port"),
        "hosts": ("remote_addr",),
        "processes": ("pid", "comm"),
        "users": ("uid",),
        "interfaces": ("interface",),
        "dns": ("name",),
    }[table]
    found = [{name: one.get(name) for name in names} for one in records]
    return [row for row in found if None not in row.values() or table == "flows"]


@pytest.mark.parametrize("table", ["flows", "hosts", "processes", "users", "interfaces", "dns"])
def test_what_belongs_to_a_row_has_its_fields(events: list[Event], table: str) -> None:
    for row in rows_of(table, events):
        if (table == "flows" and row["protocol"] is None) or row.get("local_addr", "") is None:
            continue
        expected = [one for one in events if all(one.record().get(n) == v for n, v in row.items())]
        assert belonging(events, table, row) == expected
        assert expected


def test_the_source_of_a_dropped_packet_is_not_known_to_be_this_host(events: list[Event]) -> None:
    packet = next(one for one in events if isinstance(one, PacketEvent) and one.is_rx is False)
    drop = next(one for one in events if isinstance(one, DropEvent))
    same = replace(drop, endpoints=packet.endpoints)
    row = packet.record()
    for table in ("flows", "connections", "hosts"):
        assert belonging([same, packet], table, row) == [packet]
    assert belonging([same, packet], "interfaces", row) == [same, packet]


def test_an_address_of_one_link_is_that_of_events_which_have_no_link(events: list[Event]) -> None:
    for zone in ("", "%eth0"):
        row = {"remote_addr": f"fd00:0:0:1::1{zone}"}
        assert belonging(events, "hosts", row) == belonging(
            events, "hosts", {"remote_addr": "fd00:0:0:1::1"}
        )


def test_sockets_without_ends_and_protocols_of_sockets_have_no_events(events: list[Event]) -> None:
    row = rows_of("flows", events)[0]
    for other in ({"remote_addr": None, "remote_port": None}, {"protocol": "smc"}):
        assert belonging(events, "connections", row | other) == []
    assert belonging(events, "ports", {"port": 5000}) == []


def test_a_cgroup_has_the_events_of_all_below_it(events: list[Event]) -> None:
    named = {one.owner.cgroup for one in events if one.owner.cgroup not in (None, "/")}
    (path,) = named
    assert path is not None
    assert belonging(events, "cgroups", {"path": path}) == [
        one for one in events if one.owner.cgroup == path
    ]
    assert belonging(events, "cgroups", {"path": "/"}) == [
        one for one in events if one.owner.cgroup is not None
    ]
    assert not belonging(events, "cgroups", {"path": path[:-1]})
    assert (is_below("/a/b", "/a"), is_below("/ab", "/a"), is_below(None, "/")) == (
        True,
        False,
        False,
    )
