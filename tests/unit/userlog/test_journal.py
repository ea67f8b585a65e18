# SPDX-License-Identifier: MIT
"""Totals that are the sum of what was written, whatever the sink does."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from trafficmon.userlog.journal import ANY_NIC, Entry, Journal
from trafficmon.userlog.row import Row
from trafficmon.userlog.sinks.base import Totals


class ListSink:
    """Keeps rows; takes ``refuse`` groups not."""

    failure: OSError | None = None

    def __init__(self, known: dict[int, Totals] | None = None) -> None:
        self.rows: list[Row] = []
        self.known = known or {}
        self.refuse = 0

    def open(self) -> dict[int, Totals]:
        return self.known

    def write(self, rows: Sequence[Row]) -> list[Row]:
        if self.refuse:
            self.refuse -= 1
            return list(rows)
        self.rows += rows
        return []

    def reopen(self) -> None: ...

    def close(self) -> None: ...


def journal(sink: ListSink, attached_at_ns: int = 100) -> Journal:
    made = Journal(sink, attached_at_ns, lambda _offered, _lost: None)
    made.open()
    return made


def entry(
    size: int, uid: int = 1, nic: str = "eth0", at_ns: int = 200, *, rx: bool = True
) -> Entry:
    return Entry(uid, nic, rx, size, "10.0.0.1", "10.0.0.2", at_ns)


ENTRIES = st.lists(
    st.builds(
        entry, st.integers(1, 99), st.integers(0, 2), st.sampled_from("ab"), rx=st.booleans()
    ),
    max_size=6,
)


@given(st.lists(st.tuples(ENTRIES, st.integers(0, 2))))
def test_the_last_total_is_the_sum_of_the_rows(rounds: list[tuple[list[Entry], int]]) -> None:
    sink = ListSink()
    made = journal(sink)
    true: dict[tuple[int, bool], int] = {}
    for entries, refused in rounds:
        sink.refuse = refused
        made.add(entries)
        for one in entries:
            true[one.uid, one.is_rx] = true.get((one.uid, one.is_rx), 0) + one.size
    sink.refuse = 0
    totals = {uid: Totals(true.get((uid, True), 0), true.get((uid, False), 0)) for uid in range(3)}
    made.settle(totals, set(), 300)
    for uid in range(3):
        rows = [row for row in sink.rows if row.uid == uid]
        sums = [sum(row.size for row in rows if row.is_rx == is_rx) for is_rx in (True, False)]
        assert sums == [totals[uid].total_in, totals[uid].total_out]
        if rows:
            assert [rows[-1].total_in, rows[-1].total_out] == sums
        assert [row.total_in for row in rows] == sorted(row.total_in for row in rows)


def test_what_passed_before_is_a_row_without_addresses() -> None:
    sink = ListSink()
    journal(sink).settle({7: Totals(10, 0)}, set(), 500)
    (row,) = sink.rows
    assert (row.nic, row.size, row.source, row.destination) == (ANY_NIC, 10, None, None)
    assert (row.total_in, row.total_out, row.at_ns) == (10, 0, 500)


def test_who_is_busy_is_settled_later() -> None:
    sink = ListSink()
    journal(sink).settle({7: Totals(10, 3)}, {7}, 500)
    assert sink.rows == []


def test_it_continues_from_what_was_written_of_the_same_attachment() -> None:
    for at_ns, total in ((150, 13), (50, 10)):
        sink = ListSink({1: Totals(3, 4, at_ns)})
        made = journal(sink)
        made.add([entry(10)])
        assert sink.rows[0].total_in == total


def test_rows_that_were_not_written_are_counted() -> None:
    sink, reported = ListSink(), []
    sink.refuse = 1
    made = Journal(sink, 0, lambda offered, lost: reported.append((offered, lost)))
    made.add([entry(1), entry(2, nic="b")])
    assert made.lost == 1
    assert reported == [(1, 1), (1, 0)]


def test_rows_are_in_the_order_of_time() -> None:
    sink = ListSink()
    journal(sink).add([entry(5, at_ns=300), entry(7, at_ns=200), entry(1, at_ns=250)])
    assert [(row.at_ns, row.total_in) for row in sink.rows] == [(200, 7), (250, 8), (300, 13)]
