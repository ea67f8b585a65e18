# SPDX-License-Identifier: MIT
"""The table of names that were queried, from a book in which no two numbers are alike."""

from __future__ import annotations

from array import array
from collections import Counter

import pytest

from tests.unit.sample_builder import BOOT_S, SampleBuilder
from trafficmon.model.dns import Dns, NameCounts, NameKey
from trafficmon.tables.dns import dns_table
from trafficmon.tables.query import choose_rows

# responses by code: what NXDOMAIN, SERVFAIL, REFUSED, FORMERR and others leave is NOERROR
A_CODES = Counter({"NOERROR": 1, "NXDOMAIN": 1, "SERVFAIL": 2})
B_CODES = Counter({"NXDOMAIN": 2, "REFUSED": 1})
C_CODES = Counter({"SERVFAIL": 1, "REFUSED": 3, "FORMERR": 2, "NOTIMP": 1, "BADVERS": 2})
A = NameCounts(5, 4, A_CODES, BOOT_S + 30, array("I", [10, 30, 20]))
B = NameCounts(7, 3, B_CODES, BOOT_S + 10, array("I", range(1, 202)))
C = NameCounts(6, 9, C_CODES, BOOT_S + 20, array("I"))


@pytest.fixture
def fake() -> SampleBuilder:
    made = SampleBuilder()
    names: list[tuple[NameKey, NameCounts]] = [
        (("dns", "b.example", "A"), A),
        (("mdns", "c.local", "AAAA"), B),
        (("llmnr", "a", ""), C),
    ]
    made.dns, made.dns_losses = Dns(names), {"names_forgotten": 1200}
    return made


def test_records(fake: SampleBuilder) -> None:
    table = dns_table(fake.sample)
    reported = [table.record(row) for row in range(table.length)]
    assert [(r["kind"], r["name"], r["type"]) for r in reported] == [
        ("dns", "b.example", "A"),
        ("mdns", "c.local", "AAAA"),
        ("llmnr", "a", None),
    ]
    fields = ("queries", "responses", "nxdomain", "servfail")
    assert [tuple(r[f] for f in fields) for r in reported] == [
        (5, 4, 1, 2),
        (7, 3, 2, 0),
        (6, 9, 0, 1),
    ]
    assert [r["latency_us"] for r in reported] == [
        {"p50": 20, "p99": 30},
        {"p50": 101, "p99": 199},
        {"p50": None, "p99": None},
    ]
    errors = ("refused", "formerr", "other_errors")
    assert [tuple(r[f] for f in errors) for r in reported] == [(0, 0, 0), (1, 0, 0), (3, 2, 3)]
    assert [r["rcodes"] for r in reported] == [dict(A_CODES), dict(B_CODES), dict(C_CODES)]
    assert table.notes == ("1,200 names were forgotten, the longest unseen first",)
    assert reported[0]["last_seen"] == "2023-11-14T22:13:50.000Z"


@pytest.mark.parametrize(
    ("key", "order"),
    [
        ("queries", "mdns llmnr dns"),
        ("responses", "llmnr dns mdns"),
        ("nxdomain", "mdns dns llmnr"),
        ("servfail", "dns llmnr mdns"),
        ("refused", "llmnr mdns dns"),
        ("other_errors", "llmnr dns mdns"),
        ("latency_us", "mdns dns llmnr"),
        ("last_seen", "dns llmnr mdns"),
        ("name", "llmnr dns mdns"),
        ("type", "llmnr dns mdns"),
        ("kind", "dns llmnr mdns"),
        (None, "mdns llmnr dns"),
    ],
)
def test_orders(fake: SampleBuilder, key: str | None, order: str) -> None:
    """Numbers and times from the largest down, text from the first letter on."""
    table = dns_table(fake.sample)
    kinds = [table.record(row)["kind"] for row in choose_rows(table, None, key, None)]
    assert kinds == order.split()


def test_without_a_book_there_are_no_rows() -> None:
    table = dns_table(SampleBuilder().sample)
    assert (table.length, table.name) == (0, "dns")
    assert list(choose_rows(table, None, None, 10)) == []
