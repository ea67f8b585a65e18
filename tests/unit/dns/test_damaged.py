# SPDX-License-Identifier: MIT
"""Messages of which only a part can be read: that part is kept, the rest counted."""

from __future__ import annotations

import struct
import time
from contextlib import suppress

import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trafficmon.dns.message import Answer, MalformedError, parse

QUESTION = b"\x01h\x01x\0" + struct.pack("!HH", 1, 1)
OWNER = b"\xc0\x0c"
"""The question's name, by a pointer to it."""
BEFORE, AFTER = Answer("h.x", "A", 60, "10.0.0.1"), Answer("h.x", "A", 60, "10.0.0.2")
A, SOA, TXT, AAAA, LOC, SRV, OPT, RRSIG, NSEC, TSIG = 1, 6, 16, 28, 29, 33, 41, 46, 47, 250
IN, CACHE_FLUSH, NONE = 1, 0x8000, 254


def record(kind: int, data: bytes, *, owner: bytes = OWNER, class_: int = IN) -> bytes:
    return owner + struct.pack("!HHIH", kind, class_, 60, len(data)) + data


def message(*answers: bytes, additional: tuple[bytes, ...] = (), counts: int = 0) -> bytes:
    """``counts``: how many answers more the header announces than there are."""
    header = struct.pack("!6H", 7, 0x8180, 1, len(answers) + counts, 0, len(additional))
    return header + QUESTION + b"".join((*answers, *additional))


FIRST, LAST = record(A, b"\x0a\0\0\1"), record(A, b"\x0a\0\0\2")

DAMAGED = {
    "an address of three bytes": record(A, b"\x0a\0\0"),
    "an address of five": record(A, b"\x0a\0\0\1\1"),
    "an address of fifteen": record(AAAA, bytes(15)),
    "a text longer than its record": record(TXT, b"\x09abc"),
    "a start of authority without numbers": record(SOA, b"\0\0"),
    "a location of another version": record(LOC, b"\x07" + bytes(15)),
    "a signature that ends early": record(RRSIG, b"\0\1\x08"),
    "a bitmap of 33 bytes": record(NSEC, b"\0\0\x21" + bytes(33)),
    "service parameters out of order": record(64, b"\0\1\0" + b"\0\4\0\4\1\1\1\1\0\1\0\3\2h2"),
    "a parameter longer than its record": record(65, b"\0\1\0" + b"\0\1\0\x63h2"),
    "a name that points ahead": record(5, b"\xc3\xff"),
    "a name with a label of a type that is none": record(5, b"\x80abc"),
    "a name with an extended label": record(5, b"\x41abc"),
    "an alias without a name": record(5, b""),
    "options where answers are, cut": record(OPT, b"\0\x0a\0\x63ab", owner=b"\0", class_=1232),
    "a cookie of three bytes": record(OPT, b"\0\x0a\0\3abc", owner=b"\0", class_=1232),
    "a client subnet of another family": record(OPT, b"\0\x08\0\4\0\x09\x63\0", owner=b"\0"),
    "a transaction signature in the midst, cut": record(TSIG, b"\0\0", class_=255),
}


def test_a_compressed_nsec_name_as_each_apple_device_sends_it() -> None:
    """RFC 6762, 18.14."""
    raw = bytes.fromhex(
        "00008400000000010000000104686f7374056c6f63616c0000018001000000780004c0a80909"
        "c00c002f8001000000780005c00c000140"
    )
    reported = parse(raw)
    assert (reported.name, reported.type, reported.unread) == ("host.local", "A", 0)
    assert reported.answers == (Answer("host.local", "A", 120, "192.168.9.9"),)


@pytest.mark.parametrize("damaged", DAMAGED.values(), ids=DAMAGED)
def test_one_damaged_record_takes_no_other_with_it(damaged: bytes) -> None:
    reported = parse(message(FIRST, damaged, LAST))
    assert reported.answers == (BEFORE, AFTER)
    assert (reported.name, reported.unread, reported.is_incomplete) == ("h.x", 1, True)


@pytest.mark.parametrize("damaged", DAMAGED.values(), ids=DAMAGED)
def test_nor_where_it_is_an_additional_one(damaged: bytes) -> None:
    reported = parse(message(FIRST, LAST, additional=(damaged,)))
    assert reported.answers == (BEFORE, AFTER)
    assert reported.unread == 1


OUT_OF_PLACE = {
    "two records of options": (record(OPT, b"", owner=b"\0"),) * 2,
    "options that have a name": (record(OPT, b""),),
    "a signature that is not the last": (
        record(TSIG, b"\1k\0" + bytes(6) + b"\1\x2c\0\0" + bytes(6), owner=b"\1k\0", class_=255),
        LAST,
    ),
}


@pytest.mark.parametrize("additional", OUT_OF_PLACE.values(), ids=OUT_OF_PLACE)
def test_records_out_of_their_place_are_read(additional: tuple[bytes, ...]) -> None:
    reported = parse(message(FIRST, LAST, additional=additional))
    assert (reported.answers, reported.unread) == ((BEFORE, AFTER), 0)


NOT_TO_BE_PASSED = {
    "an owner that points ahead": b"\xc3\xff" + FIRST[2:],
    "an owner that points to itself": b"\xc0\x29" + FIRST[2:],
    "an owner with a label of a type that is none": b"\x80" + FIRST[2:],
    "a length past the end": OWNER + struct.pack("!HHIH", A, IN, 60, 0xFFFF),
}


@pytest.mark.parametrize("damaged", NOT_TO_BE_PASSED.values(), ids=NOT_TO_BE_PASSED)
def test_where_the_next_record_cannot_be_found_all_after_it_are_counted(damaged: bytes) -> None:
    reported = parse(message(FIRST, damaged, LAST, additional=(LAST,)))
    assert reported.answers == (BEFORE,)
    assert reported.unread == 3


@pytest.mark.parametrize("is_cut", [True, False])
def test_cut_at_every_byte(is_cut: bool) -> None:
    """What is there is read: header, question, the answers that are whole."""
    raw = message(FIRST, LAST)
    start = 12 + len(QUESTION)
    for length in range(len(raw)):
        if length < start:
            with pytest.raises(MalformedError):
                parse(raw[:length], is_cut=is_cut)
            continue
        reported = parse(raw[:length], is_cut=is_cut)
        whole = (length - start) // len(FIRST)
        assert (reported.answers, reported.unread) == ((BEFORE, AFTER)[:whole], 2 - whole)


def test_more_announced_than_there_is() -> None:
    reported = parse(message(FIRST, LAST, counts=3))
    assert (reported.answers, reported.unread) == ((BEFORE, AFTER), 3)


def test_what_follows_the_last_record_is_not_of_the_message() -> None:
    reported = parse(message(FIRST, LAST) + b"\xff" * 40)
    assert (reported.answers, reported.unread) == ((BEFORE, AFTER), 0)


def test_a_second_question_that_is_damaged() -> None:
    raw = struct.pack("!6H", 7, 0, 2, 0, 0, 0) + QUESTION + b"\x80" + bytes(9)
    reported = parse(raw)
    assert (reported.name, reported.type, reported.unread) == ("h.x", "A", 1)


@pytest.mark.parametrize("count", [3, 0xFFFF])
def test_more_questions_than_fit_are_no_message(count: int) -> None:
    """Chance alone makes those: noise on port 53 is not to be reported as names."""
    with pytest.raises(MalformedError, match="questions, which do not fit"):
        parse(struct.pack("!6H", 7, 0, count, 0, 0, 0) + QUESTION)


def test_the_first_answer_stands_for_a_message_without_questions_also_when_it_is_damaged() -> None:
    damaged = record(A, b"\x0a", owner=b"\1m\0", class_=IN | CACHE_FLUSH)
    reported = parse(struct.pack("!6H", 0, 0x8400, 0, 1, 0, 0) + damaged)
    assert (reported.name, reported.type, reported.answers, reported.unread) == ("m", "A", (), 1)


POINTING = {
    "SRV": (SRV, bytes(4) + b"\x14\xe9" + OWNER, "0 0 5353 h.x"),
    "NSEC": (NSEC, OWNER + b"\0\1\x40", "h.x. A"),
    "DNAME": (39, OWNER, "h.x"),
    "KX": (36, b"\0\1" + OWNER, "1 h.x"),
    "AFSDB": (18, b"\0\1" + OWNER, "1 h.x"),
    "RP": (17, OWNER + OWNER, "h.x. h.x"),
    "NAPTR": (35, b"\0\1\0\2\1u\0\0" + OWNER, '1 2 "u" "" "" h.x'),
    "HTTPS": (65, b"\0\1" + OWNER, "1 h.x"),
}


@pytest.mark.parametrize("name", POINTING)
@pytest.mark.parametrize("flag", [0, CACHE_FLUSH])
def test_names_are_followed_in_every_type_also_with_mdns_flag_in_the_class(
    name: str, flag: int
) -> None:
    kind, data, text = POINTING[name]
    reported = parse(message(record(kind, data, class_=IN | flag)))
    assert reported.answers == (Answer("h.x", name, 60, text),)


def test_of_an_unknown_type_the_bytes_are_shown() -> None:
    reported = parse(message(record(65280, b"\1\2"), LAST))
    assert reported.answers == (Answer("h.x", "TYPE65280", 60, r"\# 2 0102"), AFTER)


def test_an_address_of_another_class_names_no_host() -> None:
    reported = parse(message(record(A, b"\1h\0\0\1", class_=3), LAST))
    assert [one.record_class for one in reported.answers] == ["CH", "IN"]
    assert list(reported.addresses()) == [("10.0.0.2", 60)]


def test_what_an_update_takes_away_has_no_data() -> None:
    """RFC 2136, 2.5: that is no damage."""
    reported = parse(message(record(5, b"", class_=NONE), LAST))
    assert (reported.answers, reported.unread) == ((AFTER,), 0)


def test_a_ttl_with_the_highest_bit_counts_as_none() -> None:
    """RFC 2181, 8."""
    reported = parse(message(LAST[:6] + b"\x80\0\0\0" + LAST[10:]))
    assert list(reported.addresses()) == [("10.0.0.2", 0)]


def test_the_extended_code_is_reported_though_an_option_is_damaged() -> None:
    options = b"\0" + struct.pack("!HHIH", OPT, 1232, 1 << 24, 7) + b"\0\x0a\0\3abc"
    reported = parse(message(FIRST, additional=(options,)))
    assert (reported.rcode, reported.answers, reported.unread) == ("BADVERS", (BEFORE,), 1)


def test_a_chain_of_pointers_takes_no_time() -> None:
    """64 KiB: 8,000 pointers, each to the one before, and 4,000 records whose owner is the last."""
    chain, place = [OWNER], 12 + len(QUESTION) + len(FIRST) - 4
    while place + 2 < 0x3FFE:
        chain.append(struct.pack("!H", 0xC000 | place))
        place += 2
    last = struct.pack("!H", 0xC000 | place)
    reported_for = [record(10, b"".join(chain)), *[record(10, b"", owner=last)] * 4000]
    began = time.process_time()
    assert parse(message(*reported_for)).unread == 4000
    assert time.process_time() - began < 1


@given(st.binary(max_size=1232), st.booleans())
def test_bytes_by_chance_raise_nothing_but_the_parsers_own_error(raw: bytes, is_cut: bool) -> None:
    with suppress(MalformedError):
        parse(raw, is_cut=is_cut)


GOOD = [FIRST, LAST, *(record(kind, data) for kind, data, _ in POINTING.values())]


@given(st.data())
def test_whatever_is_changed_the_answers_before_it_stand(data: st.DataObject) -> None:
    """Also where bytes are missing at the end. Pointers lead to the question alone."""
    parts = data.draw(st.lists(st.sampled_from([*GOOD, *DAMAGED.values()]), min_size=1, max_size=8))
    raw = message(*parts)
    whole = parse(raw)
    kept = data.draw(st.integers(0, len(parts) - 1))
    start = 12 + len(QUESTION) + sum(map(len, parts[:kept]))
    noise = data.draw(st.binary(max_size=len(raw) - start))
    reported = parse(raw[:start] + noise)
    before = parse(message(*parts[:kept]))
    assert reported.answers[: len(before.answers)] == before.answers
    assert reported.unread >= before.unread
    assert len(reported.answers) + reported.unread == len(whole.answers) + whole.unread


@pytest.mark.parametrize("type_", ["A", "MX", "TXT", "SOA", "HTTPS", "NSEC", "CAA", "TLSA"])
@given(data=st.data())
def test_data_by_chance_of_a_known_type(type_: str, data: st.DataObject) -> None:
    kind = dns.rdatatype.from_text(type_)
    reported = parse(message(FIRST, record(kind, data.draw(st.binary(max_size=60))), LAST))
    assert (reported.answers[0], reported.answers[-1]) == (BEFORE, AFTER)
    assert len(reported.answers) + reported.unread == 3
