# SPDX-License-Identifier: MIT
"""From copied messages to counts, latencies and names; and the book that keeps them."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import dns.message
import dns.rrset
import numpy as np
import pytest

from trafficmon.dns import book as books
from trafficmon.dns.book import Book, Learned
from trafficmon.dns.learn import Learner
from trafficmon.host import clock
from trafficmon.layout import DNS, FlowFlag
from trafficmon.model.dns import NameCounts
from trafficmon.model.remote_names import RemoteNames

CLIENT, SERVER = "10.0.0.1", "10.0.0.2"
UDP, TCP = 17, 6


def swapped(port: int) -> int:
    return int.from_bytes(port.to_bytes(2, "big"), "little")


def copied(
    wire: bytes,
    at_ns: int,
    *,
    is_rx: bool,
    port: int = 40000,
    server_port: int = 53,
    protocol: int = UDP,
    owner_id: int = 0,
    came_from: int = 0,
    local: str = CLIENT,
    remote: str = SERVER,
    sequence: int = 0,
) -> bytes:
    """As the kernel's program shows it, at the client."""
    head = np.zeros(1, DNS)[0]
    head["event"]["at_ns"], head["event"]["owner_id"] = at_ns, owner_id
    head["event"]["what"] = is_rx
    key = head["key"]
    for side, address in (("local", local), ("remote", remote)):
        packed = ipaddress.ip_address(address).packed.ljust(16, b"\0")
        key[f"{side}_addr"] = np.frombuffer(packed, np.uint8)
    key["local_port_be"], key["remote_port_be"] = swapped(port), swapped(server_port)
    key["protocol"], key["flags"] = protocol, FlowFlag.IPV4 | FlowFlag.PORTS
    head["bytes"] = head["copied"] = len(wire)
    head["ingress_ifindex"], head["tcp_sequence"] = came_from, sequence
    return bytes(head.tobytes()) + wire


def question(name: str = "www.x.test", id_: int = 1) -> dns.message.Message:
    return dns.message.make_query(name, "A", id=id_)


def answer(query: dns.message.Message, address: str = "10.9.9.9") -> bytes:
    made = dns.message.make_response(query)
    made.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "A", address))
    return made.to_wire()


def names(learner: Learner) -> dict[tuple[str, str, str], NameCounts]:
    return learner.take().names


def test_a_question_and_its_answer() -> None:
    learner, message = Learner(frozenset()), question()
    (query,) = learner.read(copied(message.to_wire(), 1_000_000, is_rx=False, owner_id=77))
    (response,) = learner.read(copied(answer(message), 3_500_000, is_rx=True))
    assert (query.owner_id, query.latency_us) == (77, None)
    assert (response.owner_id, response.latency_us) == (77, 2500)
    counts = names(learner)["dns", "www.x.test", "A"]
    assert (counts.queries, counts.responses, list(counts.latencies_us)) == (1, 1, [2500])


def test_an_answer_goes_with_the_first_of_questions_sent_again_and_once() -> None:
    learner, query = Learner(frozenset()), question()
    for at_ns in (1_000_000, 5_000_000):
        list(learner.read(copied(query.to_wire(), at_ns, is_rx=False)))
    latencies = [
        seen.latency_us
        for at_ns in (6_000_000, 7_000_000)
        for seen in learner.read(copied(answer(query), at_ns, is_rx=True))
    ]
    assert latencies == [5000, None]


@pytest.mark.parametrize("other", [{"port": 40001}, {"local": "10.0.0.3"}, {"protocol": TCP}])
def test_of_others_it_is_not_the_answer(other: dict[str, object]) -> None:
    learner, query = Learner(frozenset()), question()
    list(learner.read(copied(query.to_wire(), 1, is_rx=False)))
    wire = answer(query)
    if "protocol" in other:
        wire = len(wire).to_bytes(2, "big") + wire
    (response,) = learner.read(copied(wire, 2, is_rx=True, **other))  # type: ignore[arg-type]
    assert response.latency_us is None


def test_loopback_shows_both_as_they_go_out() -> None:
    learner, query = Learner(frozenset()), question()
    list(learner.read(copied(query.to_wire(), 1_000, is_rx=False)))
    swapped_ends = {"local": SERVER, "remote": CLIENT, "port": 53, "server_port": 40000}
    (response,) = learner.read(copied(answer(query), 9_000, is_rx=False, **swapped_ends))  # type: ignore[arg-type]
    assert response.latency_us == 8


def test_forwarded_messages_count_where_they_came_in() -> None:
    learner, wire = Learner(frozenset({4})), question().to_wire()
    assert list(learner.read(copied(wire, 1, is_rx=False, came_from=4))) == []
    assert len(list(learner.read(copied(wire, 1, is_rx=False, came_from=5)))) == 1


@pytest.mark.parametrize(("port", "kind"), [(5353, "mdns"), (5355, "llmnr")])
def test_the_local_link_is_distinguished(port: int, kind: str) -> None:
    learner = Learner(frozenset())
    (seen,) = learner.read(copied(question().to_wire(), 1, is_rx=True, server_port=port))
    assert seen.kind == kind


def test_malformed_messages_are_counted() -> None:
    learner = Learner(frozenset())
    assert list(learner.read(copied(b"\1\2\3", 1, is_rx=True))) == []
    assert learner.take().losses == {"malformed": 1}


def test_what_is_read_of_a_damaged_answer_counts_and_so_does_the_rest() -> None:
    learner, query = Learner(frozenset()), question()
    made = dns.message.make_response(query)
    name = query.question[0].name
    made.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "10.9.9.9"))
    made.answer.append(dns.rrset.from_text(name, 60, "IN", "MX", "5 mail.x.test."))
    (seen,) = learner.read(copied(made.to_wire()[:-1], 1, is_rx=True))
    assert seen.message.is_incomplete
    learned = learner.take()
    assert learned.losses == {"incomplete": 1, "unread_records": 1}
    assert [one.name for one in learned.addresses["10.9.9.9"]] == ["www.x.test"]
    assert learned.names["dns", "www.x.test", "A"].responses == 1


def test_over_tcp_in_two_pieces() -> None:
    learner, wire = Learner(frozenset()), question().to_wire()
    framed = len(wire).to_bytes(2, "big") + wire
    pieces = [
        copied(framed[a:b], 1, is_rx=False, protocol=TCP, sequence=100 + a)
        for a, b in ((0, 5), (5, len(framed)))
    ]
    assert [len(list(learner.read(piece))) for piece in pieces] == [0, 1]


@pytest.fixture
def run_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("trafficmon.host.lock.RUN_DIR", tmp_path)
    monkeypatch.setattr(books, "RUN_DIR", tmp_path)
    return tmp_path


PINS = Path("/sys/fs/bpf/tmtest")


def test_the_book_adds_up_and_forgets_another_attachment(run_dir: Path) -> None:
    learner, query = Learner(frozenset()), question()
    for _ in range(2):
        with Book.for_writing(PINS, 5, None) as book:
            list(learner.read(copied(query.to_wire(), 1_000, is_rx=False)))
            list(learner.read(copied(answer(query), 4_000, is_rx=True)))
            book.add(learner.take())
            book.add(Learned(losses={"malformed": 2}))
    reader = Book.for_reading(PINS, 5)
    assert reader is not None
    with reader:
        ((key, counts),) = reader.names()
        assert key == ("dns", "www.x.test", "A")
        assert (counts.queries, counts.responses, list(counts.latencies_us)) == (2, 2, [3, 3])
        assert reader.losses() == {"malformed": 4}
    assert Book.for_reading(PINS, 6) is None
    with Book.for_writing(PINS, 6, None) as book:
        assert book.names() == []
    books.discard(PINS)
    assert Book.for_reading(PINS, 6) is None
    assert not any(run_dir.glob("*"))


def test_latencies_are_the_latest(run_dir: Path) -> None:
    learned = Learned()
    counts = learned.names.setdefault(("dns", "x", "A"), NameCounts())
    counts.latencies_us.extend(range(600))
    with Book.for_writing(PINS, 5, None) as book:
        book.add(learned)
        ((_, kept),) = book.names()
    assert list(kept.latencies_us) == list(range(88, 600))


def test_both_tables_have_a_limit(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "_MOST_NAMES", 3)
    learned = Learned(
        names={("dns", str(n), "A"): NameCounts(1, last_seen=float(n)) for n in range(5)}
    )
    with Book.for_writing(PINS, 5, None) as book:
        book.add(learned)
        assert [key[1] for key, _ in book.names()] == ["2", "3", "4"]
        assert book.losses() == {"names_forgotten": 2}


def test_the_file_is_never_a_symbolic_link(run_dir: Path) -> None:
    victim = run_dir / "victim"
    victim.write_text("mine")
    (run_dir / "dns-sys-fs-bpf-tmtest.db").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic"):
        Book.for_writing(PINS, 5, None)
    assert victim.read_text() == "mine"


def test_names_hold_as_long_as_answers_do(run_dir: Path) -> None:
    learner, query = Learner(frozenset()), question()
    at_ns = 10**12
    list(learner.read(copied(answer(query), at_ns, is_rx=True)))
    seen = (at_ns + clock.wall_minus_monotonic_ns()) / 1e9
    with Book.for_writing(PINS, 5, None) as book:
        book.add(learner.take())
        remote = RemoteNames(book.addresses())
        assert remote.name("10.9.9.9", seen + 1) == "www.x.test"
        assert remote.name("10.9.9.9", seen - 1) is None  # before anyone queried
        assert remote.name("10.9.9.9", seen + 61) is None  # TTL 60
        assert remote.name("10.9.9.9", seen + 59) == "www.x.test"
        assert remote.name("10.9.9.8", seen) is None


def test_a_damaged_book_costs_names_and_nothing_else(run_dir: Path) -> None:
    (run_dir / "dns-sys-fs-bpf-tmtest.db").write_bytes(b"no database" * 100)
    assert Book.for_reading(PINS, 5) is None
    with pytest.raises(OSError, match="not a database"):
        Book.for_writing(PINS, 5, None)


@pytest.mark.parametrize(("after_s", "latency_us"), [(60, 60_000_000), (60.001, None)])
def test_an_answer_that_comes_too_late_has_no_latency(
    after_s: float, latency_us: int | None
) -> None:
    learner, query = Learner(frozenset()), question()
    list(learner.read(copied(query.to_wire(), 10**9, is_rx=False)))
    (response,) = learner.read(copied(answer(query), 10**9 + int(after_s * 1e9), is_rx=True))
    assert response.latency_us == latency_us


def test_an_answer_from_before_the_question_is_not_its() -> None:
    learner, query = Learner(frozenset()), question()
    list(learner.read(copied(query.to_wire(), 2_000, is_rx=False)))
    (response,) = learner.read(copied(answer(query), 1_000, is_rx=True))
    assert response.latency_us is None


def test_a_question_sent_again_after_a_minute_is_a_new_one() -> None:
    learner, query = Learner(frozenset()), question()
    for at_ns in (1, 61_000_000_000):
        list(learner.read(copied(query.to_wire(), at_ns, is_rx=False)))
    (response,) = learner.read(copied(answer(query), 61_000_005_000, is_rx=True))
    assert response.latency_us == 5
