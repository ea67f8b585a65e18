# SPDX-License-Identifier: MIT
"""Which of an address's names a connection has: by when it began and whose it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import dns.message
import dns.rrset
import numpy as np
import pytest

from tests.unit.dns.test_learn import copied, question
from trafficmon.dns import book as books
from trafficmon.dns.book import Book
from trafficmon.dns.current import CurrentNames
from trafficmon.dns.learn import Learner
from trafficmon.host import clock
from trafficmon.layout import OWNER
from trafficmon.model.remote_names import RemoteNames
from trafficmon.model.sightings import GRACE_S

PINS = Path("/sys/fs/bpf/tmtest")
ADDRESS, BASE_S = "10.9.9.9", 1000.0
CURL, WGET, RESOLVER = 1 << 63 | 5, 6, 7


def owner(pid: int, cgroup_id: int) -> Any:
    made = np.zeros(1, OWNER)[0]
    made["pid"], made["started_ns"], made["cgroup_id"] = pid, pid * 10, cgroup_id
    return made


OWNERS = {CURL: owner(500, 1), WGET: owner(600, 2), RESOLVER: owner(70, 3)}


def rrset(record: str) -> dns.rrset.RRset:
    name, ttl_s, class_, type_, data = record.split()
    return dns.rrset.from_text(name, int(ttl_s), class_, type_, data)


class Host:
    """Answers, second by second, each in a reading of its own or all in one."""

    def __init__(self, book: Book, *, at_once: bool) -> None:
        self._book, self._at_once = book, at_once
        self._learner = Learner(frozenset())
        self._offset_s = clock.wall_minus_monotonic_ns() / 1e9
        self._last_id = 0
        self.current = CurrentNames(PINS, 5, OWNERS.get)

    def answer(self, at_s: float, *records: str, queried: str, by: int = 0, **more: Any) -> None:
        """``records``: as in a master file, in order; ``by``: who queried."""
        self._last_id += 1
        query = question(queried, self._last_id)
        made = dns.message.make_response(query)
        made.answer = [rrset(one) for one in records]
        at_ns = round((BASE_S + at_s) * 1e9)
        if by:
            sent = copied(query.to_wire(), at_ns - 1000, is_rx=False, owner_id=by, **more)
            list(self._learner.read(sent))
        list(self._learner.read(copied(made.to_wire(), at_ns, is_rx=True, **more)))
        if not self._at_once:
            self._book.add(self._learner.take())

    def name(self, at_s: float, by: int = 0, address: str = ADDRESS) -> str | None:
        """Of a connection that begins then."""
        self._book.add(self._learner.take())
        names = RemoteNames.with_askers(self._book.addresses(), OWNERS.get)
        begin_s = BASE_S + at_s + self._offset_s
        found = names.name(address, begin_s, OWNERS.get(by))
        assert self.current.name(address, begin_s, by) == found  # opened once, queried all the time
        return found


@pytest.fixture(params=[True, False], ids=["one reading", "many readings"])
def host(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Host]:
    monkeypatch.setattr("trafficmon.host.lock.RUN_DIR", tmp_path)
    monkeypatch.setattr(books, "RUN_DIR", tmp_path)
    with Book.for_writing(PINS, 5, None) as book:
        made = Host(book, at_once=request.param)
        with closing(made.current):
            yield made


def a(name: str, ttl_s: int = 300, address: str = ADDRESS) -> str:
    return f"{name}. {ttl_s} IN A {address}"


def test_the_newest_answer_before_it_began(host: Host) -> None:
    host.answer(0, a("first.test"), queried="first.test")
    host.answer(20, a("second.test"), queried="second.test")
    assert [host.name(at_s) for at_s in (-1, 5, 19, 21, 100)] == [
        None,
        "first.test",
        "first.test",
        "second.test",
        "second.test",
    ]


def test_names_that_take_turns(host: Host) -> None:
    for at_s, name in ((0, "a"), (10, "b"), (20, "a"), (30, "b")):
        host.answer(at_s, a(f"{name}.test"), queried=f"{name}.test")
    reported = [host.name(at_s) for at_s in (5, 15, 25, 35)]
    assert reported == ["a.test", "b.test", "a.test", "b.test"]


def test_answers_that_were_repeated_since_change_nothing(host: Host) -> None:
    for at_s, name in ((0, "a"), (1, "a"), (2, "b"), (50, "b"), (60, "a"), (70, "a")):
        host.answer(at_s, a(f"{name}.test"), queried=f"{name}.test")
    assert [host.name(at_s) for at_s in (1.5, 3, 55, 65)] == [
        "a.test",
        "b.test",
        "b.test",
        "a.test",
    ]


@pytest.mark.parametrize("ttl_s", [0, 1])
def test_a_short_ttl_names_the_connection_that_it_was_queried_for(host: Host, ttl_s: int) -> None:
    host.answer(0, a("www.test", ttl_s), queried="www.test")
    assert host.name(0.001) == "www.test"
    assert host.name(GRACE_S - 0.1) == "www.test"
    assert host.name(GRACE_S + 0.1) is None


def test_what_had_run_out_before_it_began_names_nothing(host: Host) -> None:
    host.answer(0, a("www.test", 60), queried="www.test")
    assert [host.name(at_s) for at_s in (59, 61)] == ["www.test", None]
    host.answer(500, a("www.test", 60), queried="www.test")
    assert [host.name(at_s) for at_s in (59, 61, 499, 501)] == ["www.test", None, None, "www.test"]


def test_two_names_in_the_same_second(host: Host) -> None:
    host.answer(0.1, a("one.test", 0), queried="one.test")
    host.answer(0.6, a("two.test", 0), queried="two.test")
    assert [host.name(at_s) for at_s in (0.3, 0.7)] == ["one.test", "two.test"]


def test_of_two_names_the_one_that_the_process_queried(host: Host) -> None:
    host.answer(0, a("curl.test"), queried="curl.test", by=CURL)
    host.answer(1, a("wget.test"), queried="wget.test", by=WGET)
    host.answer(2, a("stub.test"), queried="stub.test", by=RESOLVER)
    assert host.name(3, by=CURL) == "curl.test"
    assert host.name(3, by=WGET) == "wget.test"
    assert host.name(3) == "stub.test"
    assert host.name(0.5, by=WGET) == "curl.test"  # it had not queried yet


def test_processes_that_queried_the_same_name_are_distinguished(host: Host) -> None:
    for at_s, by in ((0, CURL), (1, WGET), (2, CURL)):
        host.answer(at_s, a("both.test"), queried="both.test", by=by)
    host.answer(3, a("stub.test"), queried="stub.test", by=RESOLVER)
    assert [host.name(4, by=by) for by in (CURL, WGET, RESOLVER)] == [
        "both.test",
        "both.test",
        "stub.test",
    ]


def test_then_the_one_of_its_cgroup(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OWNERS, 8, owner(800, 1))
    host.answer(0, a("curl.test"), queried="curl.test", by=CURL)
    host.answer(1, a("wget.test"), queried="wget.test", by=WGET)
    assert host.name(3, by=8) == "curl.test"


def test_a_pid_that_is_another_processs_by_now_queried_nothing(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = owner(500, 9)
    later["started_ns"] = 77
    monkeypatch.setitem(OWNERS, 8, later)
    host.answer(0, a("curl.test"), queried="curl.test", by=CURL)
    host.answer(1, a("wget.test"), queried="wget.test", by=WGET)
    assert host.name(3, by=8) == "wget.test"


@pytest.mark.parametrize(
    ("type_", "address"),
    [
        ("A", "127.0.0.1"),
        ("A", "127.0.0.53"),
        ("A", "0.0.0.0"),
        ("AAAA", "::"),
        ("AAAA", "::1"),
        ("AAAA", "::ffff:127.0.0.1"),
        ("AAAA", "::ffff:0.0.0.0"),
    ],
)
def test_what_blocklists_answer_with_names_nothing(host: Host, type_: str, address: str) -> None:
    record = f"ads.test. 300 IN {type_} {address}"
    host.answer(0, record, a("ads.test"), queried="ads.test")
    for one in (address, address.removeprefix("::ffff:")):
        assert host.name(1, address=one) is None
    assert host.name(1) == "ads.test"


def test_a_mapped_address_names_its_ipv4_one(host: Host) -> None:
    host.answer(0, f"www.test. 300 IN AAAA ::ffff:{ADDRESS}", queried="www.test")
    assert host.name(1) == "www.test"


def test_a_chain_of_cnames_has_the_queried_name(host: Host) -> None:
    chain = ("www.test. 300 IN CNAME edge.CDN.test.", "edge.cdn.test. 300 IN CNAME e7.cdn.test.")
    for order in (chain, chain[::-1]):
        host.answer(0, *order, a("e7.cdn.test"), queried="www.test")
        assert host.name(1) == "www.test"


def test_an_address_that_no_chain_leads_to_has_its_own_name(host: Host) -> None:
    host.answer(0, a("other.test"), a("www.test", address="10.9.9.8"), queried="www.test")
    assert (host.name(1), host.name(1, address="10.9.9.8")) == ("other.test", "www.test")


def test_a_circle_of_cnames_ends(host: Host) -> None:
    circle = ("www.test. 300 IN CNAME a.test.", "a.test. 300 IN CNAME www.test.")
    host.answer(0, *circle, a("a.test"), queried="www.test")
    assert host.name(1) == "www.test"


def test_a_reverse_lookup_names_nothing(host: Host) -> None:
    host.answer(0, "9.9.9.10.in-addr.arpa. 300 IN PTR www.test.", queried="9.9.9.10.in-addr.arpa")
    assert host.name(1) is None


@pytest.mark.parametrize("port", [5353, 5355])
def test_the_local_link(host: Host, port: int) -> None:
    host.answer(0, a("printer.local", 120), queried="printer.local", server_port=port)
    assert host.name(1) == "printer.local"


def test_a_goodbye_of_mdns_names_nothing(host: Host) -> None:
    host.answer(0, a("printer.local", 0), queried="printer.local", server_port=5353)
    assert host.name(1) is None


def test_an_address_with_many_names_keeps_the_latest(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(books, "_MOST_OF_AN_ADDRESS", 3)
    for at_s in range(6):
        host.answer(at_s, a(f"n{at_s}.test"), queried=f"n{at_s}.test")
    reported: Callable[[float], str | None] = host.name
    assert [reported(at_s + 0.5) for at_s in range(6)][3:] == ["n3.test", "n4.test", "n5.test"]
    assert reported(2.5) is None


def test_a_book_that_is_begun_later_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trafficmon.host.lock.RUN_DIR", tmp_path)
    monkeypatch.setattr(books, "RUN_DIR", tmp_path)
    with closing(CurrentNames(PINS, 5, OWNERS.get)) as current:
        assert current.name(ADDRESS, BASE_S, 0) is None
        with Book.for_writing(PINS, 5, None) as book:
            made = Host(book, at_once=True)
            made.answer(0, a("www.test"), queried="www.test")
            assert made.name(1) == "www.test"
            begin_s = BASE_S + 1 + clock.wall_minus_monotonic_ns() / 1e9
            assert current.name(ADDRESS, begin_s, 0) == "www.test"
            made.current.close()
