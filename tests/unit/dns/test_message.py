# SPDX-License-Identifier: MIT
"""Messages out of bytes, and garbage that is none."""

from __future__ import annotations

import struct
from contextlib import suppress

import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rrset
import dns.tsigkeyring
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trafficmon.dns.message import Answer, MalformedError, parse

LONGEST = ".".join(["a" * 63] * 3 + ["b" * 61])  # 255 bytes on the wire


def requested(name: str, type_: str = "A") -> dns.message.Message:
    return dns.message.make_query(name, type_, id=7)


def answered(question: dns.message.Message, *data: str, type_: str = "A") -> dns.message.Message:
    answer = dns.message.make_response(question)
    answer.answer.append(dns.rrset.from_text(question.question[0].name, 60, "IN", type_, *data))
    return answer


@pytest.mark.parametrize("name", ["Example.COM", LONGEST, "_dmarc.x", "xn--bcher-kva.example"])
def test_a_question(name: str) -> None:
    message = parse(requested(name, "AAAA").to_wire())
    assert (message.id, message.is_response, message.type) == (7, False, "AAAA")
    assert message.name == name.lower()


def test_an_answer_with_its_addresses_under_the_queried_name() -> None:
    answer = answered(requested("www.x.test"), "c.x.test.", type_="CNAME")
    answer.answer.append(dns.rrset.from_text("c.x.test.", 30, "IN", "A", "10.0.0.1", "10.0.0.2"))
    message = parse(answer.to_wire())
    assert message.is_response
    assert message.rcode == "NOERROR"
    assert message.answers[0] == Answer("www.x.test", "CNAME", 60, "c.x.test")
    assert sorted(message.addresses()) == [("10.0.0.1", 30), ("10.0.0.2", 30)]


@pytest.mark.parametrize("rcode", ["NXDOMAIN", "SERVFAIL", "REFUSED", "BADVERS"])
def test_how_it_went(rcode: str) -> None:
    question = requested("x.test")
    question.use_edns(0)
    answer = dns.message.make_response(question)
    answer.set_rcode(dns.rcode.from_text(rcode))
    assert parse(answer.to_wire()).rcode == rcode


def test_a_cut_message_has_its_question_and_what_came_before_the_cut() -> None:
    texts = [f'"{"x" * 200}{n}"' for n in range(9)]
    answer = answered(requested("long.test", "TXT"), *texts, type_="TXT")
    message = parse(answer.to_wire()[:1232], is_cut=True)
    assert (message.name, message.type, message.is_cut) == ("long.test", "TXT", True)
    assert len({one.data for one in message.answers} & set(texts)) == 5
    assert message.unread == 4


def test_truncated_by_its_sender() -> None:
    answer = dns.message.make_response(requested("x.test"))
    answer.flags |= dns.flags.TC
    assert parse(answer.to_wire()).is_truncated


def test_mdns_lays_a_flag_into_the_class() -> None:
    answer = answered(requested("host.local"), "10.0.0.9")
    answer.question.clear()
    wire = answer.to_wire().replace(
        b"\x00\x01\x00\x01\x00\x00\x00\x3c", b"\x00\x01\x80\x01\x00\x00\x00\x3c"
    )
    message = parse(wire)
    assert (message.name, message.type) == ("host.local", "A")
    assert list(message.addresses()) == [("10.0.0.9", 60)]


def test_a_signature_needs_no_key() -> None:
    question = requested("x.test")
    question.use_tsig(dns.tsigkeyring.from_text({"k.": "aaaa"}))
    assert parse(question.to_wire()).name == "x.test"


def test_the_root_and_names_that_are_no_text() -> None:
    assert parse(requested(".", "NS").to_wire()).name == "."
    wire = requested("abc.test").to_wire().replace(b"abc", b"\x1b[\xff")
    name = parse(wire).name
    assert name == r"\027[\255.test"


@given(st.data())
def test_a_good_message_with_bytes_changed(data: st.DataObject) -> None:
    raw = bytearray(answered(requested("www.x.test"), "10.0.0.1").to_wire())
    for place in data.draw(st.lists(st.integers(0, len(raw) - 1), max_size=6)):
        raw[place] = data.draw(st.integers(0, 255))
    with suppress(MalformedError):
        parse(bytes(raw[: data.draw(st.integers(0, len(raw)))]))


@pytest.mark.parametrize(("ttl_s", "kept_s"), [(0x7FFFFFFF, 0x7FFFFFFF), (0x80000000, 0)])
def test_a_time_to_live_beyond_31_bits_is_none(ttl_s: int, kept_s: int) -> None:
    """RFC 2181, 8."""
    wire = answered(requested("x.test"), "10.0.0.9").to_wire()
    message = parse(wire.replace(b"\x00\x00\x00\x3c", ttl_s.to_bytes(4, "big")))
    assert list(message.addresses()) == [("10.0.0.9", kept_s)]


def test_what_follows_a_damaged_record_is_found_by_its_length() -> None:
    """The text claims 200 bytes of the four that are there: reading it ends in its midst."""
    header = struct.pack("!6H", 1, 0x8000, 1, 3, 0, 0)
    name = b"\1x\4test\0"
    good = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4)
    damaged = b"\xc0\x0c" + struct.pack("!HHIH", 16, 1, 60, 4) + b"\xc8abc"
    wire = header + name + struct.pack("!HH", 1, 1)
    message = parse(wire + good + bytes([10, 0, 0, 1]) + damaged + good + bytes([10, 0, 0, 2]))
    assert [address for address, _ in message.addresses()] == ["10.0.0.1", "10.0.0.2"]
    assert message.unread == 1
