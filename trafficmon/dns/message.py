# SPDX-License-Identifier: MIT
"""A DNS message out of its bytes, by dnspython, whose daily business is what strangers send."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rrset

_ADDRESS_FAMILIES = {
    (dns.rdatatype.A, 4): socket.AF_INET,
    (dns.rdatatype.AAAA, 16): socket.AF_INET6,
}
_HEADER_BYTES = 12


class MalformedError(ValueError):
    """The bytes are no DNS message."""


@dataclass(frozen=True)
class Answer:
    """A record of the answer section; ``name`` and ``data`` as master files write them."""

    name: str
    type: str
    ttl_s: int
    data: str


@dataclass(frozen=True)
class Message:
    """What is told of a message. ``name`` and ``type`` are of its (first) question."""

    id: int
    is_response: bool
    name: str | None
    type: str | None
    rcode: str
    is_truncated: bool  # TC: the sender had more to say
    is_cut: bool  # we have not got all of its bytes; answers may be missing
    answers: tuple[Answer, ...] = ()

    def addresses(self) -> Iterator[tuple[str, int]]:
        """The addresses that the name has, and for how many seconds."""
        for answer in self.answers:
            if answer.type in ("A", "AAAA"):
                yield answer.data, answer.ttl_s


def parse(raw: bytes, *, is_cut: bool = False) -> Message:
    """The message in ``raw``; of one that ``is_cut`` at least the question.

    MalformedError where it cannot be read.
    """
    try:
        message = dns.message.from_wire(
            raw,
            keyring=False,  # signatures are not ours to check
            ignore_trailing=True,
            one_rr_per_rrset=False,
            question_only=is_cut,
            raise_on_truncation=False,
        )
        question = _question(message)
        return Message(
            id=message.id,
            is_response=bool(message.flags & dns.flags.QR),
            name=question[0],
            type=question[1],
            rcode=_rcode(raw, message),
            is_truncated=bool(message.flags & dns.flags.TC),
            is_cut=is_cut,
            answers=tuple(_answers(message)),
        )
    except (dns.exception.DNSException, ValueError, UnicodeError, IndexError) as error:
        raise MalformedError(str(error) or type(error).__name__) from error


def _question(message: dns.message.Message) -> tuple[str | None, str | None]:
    """mDNS answers have no question: then the first answer's name and type stand for it."""
    section = message.question or message.answer
    if not section:
        return None, None
    first = section[0]
    return _text(first.name), dns.rdatatype.to_text(first.rdtype)


def _rcode(raw: bytes, message: dns.message.Message) -> str:
    """With a cut message the extension in OPT has not been read: the header's four bits."""
    if message.ednsflags or len(raw) < _HEADER_BYTES:
        return dns.rcode.to_text(message.rcode())
    return dns.rcode.to_text(dns.rcode.Rcode(raw[3] & 15))


def _answers(message: dns.message.Message) -> Iterator[Answer]:
    for rrset in message.answer:
        for data in rrset:
            name, kind = _text(rrset.name), dns.rdatatype.to_text(rrset.rdtype)
            yield Answer(name, kind, int(rrset.ttl), _data(data))


def _data(data: dns.rdata.Rdata) -> str:
    """As text. mDNS lays a flag into the class, and then an address is none to dnspython."""
    if isinstance(data, dns.rdata.GenericRdata):
        family = _ADDRESS_FAMILIES.get((data.rdtype, len(data.data)))
        if family is not None:
            return socket.inet_ntop(family, data.data)
    return data.to_text().rstrip(".") or "."


def _text(name: dns.name.Name) -> str:
    """In lower case, as names compare (RFC 4343), without the root's dot."""
    return name.to_text(omit_final_dot=True).lower()
