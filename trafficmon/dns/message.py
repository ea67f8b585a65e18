# SPDX-License-Identifier: MIT
"""A DNS message out of its bytes, record by record.

dnspython reads names and records; the walk over the sections is ours, because one damaged record
ends dnspython's, and only the record's own length is needed to find the next one. What cannot be
read is counted (``Message.unread``), so that answers which are missing are admitted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import dns.flags
import dns.name
import dns.rcode
import dns.rdata
import dns.wire
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType

_CACHE_FLUSH = 0x8000  # RFC 6762, 10.2: mDNS lays it into the class of its records
_EMPTY_IN_UPDATES = (RdataClass.ANY, RdataClass.NONE)  # RFC 2136, 2.4 and 2.5
_LONGEST_TTL_S = 0x7FFFFFFF  # RFC 2181, 8: a longer one counts as 0
_LEAST_QUESTION_BYTES = 5  # the root's name, type, class


class MalformedError(ValueError):
    """The bytes are not a DNS message."""


@dataclass(frozen=True)
class Answer:
    """A record of the answer section; ``name`` and ``data`` as master files write them."""

    name: str
    type: str
    ttl_s: int
    data: str
    record_class: str = "IN"


@dataclass(frozen=True)
class Message:
    """What a message says. ``name`` and ``type`` are of its (first) question."""

    id: int
    is_response: bool
    name: str | None
    type: str | None
    rcode: str
    is_truncated: bool  # TC: the sender had more to say
    is_cut: bool  # we have not got all of its bytes; answers may be missing
    answers: tuple[Answer, ...] = ()
    unread: int = 0  # questions and records that the header announces, and that cannot be read

    @property
    def is_incomplete(self) -> bool:
        """Whether answers may be missing here that the sender put in."""
        return self.is_cut or self.unread > 0

    def addresses(self) -> Iterator[tuple[str, int]]:
        """The addresses that the name has, and for how many seconds."""
        for answer in self.answers:
            if answer.type in ("A", "AAAA") and answer.record_class == "IN":
                yield answer.data, answer.ttl_s


def parse(raw: bytes, *, is_cut: bool = False) -> Message:
    """The message in ``raw``, as far as it can be read; ``is_cut``: its end is missing.

    MalformedError where not even the header and the first question (of a message without
    questions: the first answer) can be read, or the header announces more questions than fit.
    """
    wire = _Wire(raw)
    try:
        id_, flags, *counts = wire.get_struct("!6H")
    except Exception as error:
        raise MalformedError("it is shorter than a DNS header, which has 12 bytes") from error
    if not is_cut and counts[0] * _LEAST_QUESTION_BYTES > wire.remaining():
        raise MalformedError(f"its header announces {counts[0]} questions, which do not fit")
    found = _Found()
    found.read(wire, counts)
    if found.name is None and sum(counts[:2]):
        raise MalformedError("neither a question nor an answer can be read")
    return Message(
        id=id_,
        is_response=bool(flags & dns.flags.QR),
        name=found.name,
        type=found.type,
        rcode=dns.rcode.to_text(dns.rcode.from_flags(flags, found.edns_flags)),
        is_truncated=bool(flags & dns.flags.TC),
        is_cut=is_cut,
        answers=tuple(found.answers),
        unread=sum(counts) - found.read_count,
    )


class _Wire(dns.wire.Parser):
    """Follows compression pointers in all names.

    RFC 3597 forbids them in the data of types younger than RFC 1035, and dnspython from 2.9 on
    refuses such records; mDNS allows them (RFC 6762, 18.14), and a reader has nothing to lose.
    """

    def get_name(self, origin: dns.name.Name | None = None, *_: bool, **__: bool) -> dns.name.Name:
        name = dns.name.from_wire_parser(self)
        return name.relativize(origin) if origin else name


@dataclass
class _Found:
    """What has been read of a message so far."""

    name: str | None = None
    type: str | None = None
    edns_flags: int = 0
    answers: list[Answer] = field(default_factory=list)
    read_count: int = 0

    def read(self, wire: _Wire, counts: Sequence[int]) -> None:
        """All sections, as long as it is known where the next record begins."""
        questions, *sections = counts
        with suppress(Exception):  # strangers wrote it: whatever a library stumbles over
            for _ in range(questions):
                self._question(wire)
            for section, count in enumerate(sections):
                for _ in range(count):
                    self._record(wire, is_answer=section == 0)

    def _question(self, wire: _Wire) -> None:
        name = wire.get_name()
        number, _ = wire.get_struct("!HH")
        self._stands_for_the_message(name, RdataType.make(number))
        self.read_count += 1

    def _record(self, wire: _Wire, *, is_answer: bool) -> None:
        """Raises where its end is not in the message: nothing after it can be found then."""
        name = wire.get_name()
        number, class_number, ttl_s, length = wire.get_struct("!HHIH")
        kind = RdataType.make(number)
        if kind == RdataType.OPT:
            self.edns_flags = ttl_s
        elif class_number == RdataClass.IN | _CACHE_FLUSH:
            class_number = RdataClass.IN
        class_ = RdataClass.make(class_number)
        if is_answer:  # mDNS answers have no question: then the first answer's name and type do
            self._stands_for_the_message(name, kind)
        end = wire.current + length
        with suppress(Exception):  # as above; its length says where the next record begins
            is_empty = not length and class_ in _EMPTY_IN_UPDATES
            data = "" if is_empty else _data(wire, class_, kind, length)
            if is_answer and not is_empty:
                ttl_s = ttl_s if ttl_s <= _LONGEST_TTL_S else 0
                self.answers.append(_answer(name, kind, class_, ttl_s, data))
            self.read_count += 1
        wire.seek(end)

    def _stands_for_the_message(self, name: dns.name.Name, kind: RdataType) -> None:
        if self.name is None:
            self.name, self.type = _text(name), RdataType.to_text(kind)


def _answer(
    name: dns.name.Name, kind: RdataType, class_: RdataClass, ttl_s: int, data: str
) -> Answer:
    types = RdataType.to_text(kind), RdataClass.to_text(class_)
    return Answer(_text(name), types[0], ttl_s, data, types[1])


def _data(wire: _Wire, class_: RdataClass, kind: RdataType, length: int) -> str:
    with wire.restrict_to(length):
        data = dns.rdata.from_wire_parser(class_, kind, wire)
    return data.to_text().rstrip(".") or "."


def _text(name: dns.name.Name) -> str:
    """In lower case, as names compare (RFC 4343), without the root's dot."""
    return name.to_text(omit_final_dot=True).lower()
