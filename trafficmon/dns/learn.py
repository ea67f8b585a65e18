# SPDX-License-Identifier: MIT
"""Copied messages, one by one, to what is learned from them."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from trafficmon.dns.book import Learned
from trafficmon.dns.message import MalformedError, Message, parse
from trafficmon.dns.pairs import Pairs, Party, Question
from trafficmon.dns.streams import Streams
from trafficmon.host import clock
from trafficmon.layout import DNS
from trafficmon.model.dns import NameCounts
from trafficmon.model.sightings import Sighting, add
from trafficmon.model.sockets import IPPROTO_TCP
from trafficmon.records import record_of

_SYN, _FIN_RST = 0x02, 0x05
_KINDS = {53: "dns", 5353: "mdns", 5355: "llmnr"}
_MULTICAST = {"mdns"}  # its answers are for all hosts, and have no id to match


@dataclass(frozen=True)
class Seen:
    """A message, with what is known of it beyond its bytes."""

    head: Any  # DNS
    kind: str
    message: Message
    latency_us: int | None  # of an answer to a question that was seen
    owner_id: int  # that sent the query; 0: not known


class Learner:
    """Kept from one reading to the next within a process; what is learned is taken out."""

    def __init__(self, attached_ifindexes: frozenset[int] = frozenset()) -> None:
        self.attached_ifindexes = attached_ifindexes
        """Interfaces where what is forwarded was seen when it came in."""
        self._pairs, self._streams = Pairs(), Streams()
        self._learned = Learned()

    def take(self) -> Learned:
        """What was learned since the last time."""
        self._learned.lose("streams", self._streams.lost)
        self._streams.lost = 0
        learned, self._learned = self._learned, Learned()
        return learned

    def lose_message(self) -> None:
        """Count a message that could not be read."""
        self._learned.lose("malformed")

    def read(self, raw: bytes) -> Iterator[Seen]:
        """One record of `dns_messages`: none, one or (of a stream) several messages."""
        head = record_of(raw[: DNS.itemsize], DNS)
        data = raw[DNS.itemsize :]
        if int(head["ingress_ifindex"]) in self.attached_ifindexes:
            return  # forwarded: it was seen when it came in
        kind = self._kind(head)
        is_whole = int(head["copied"]) == int(head["bytes"])
        for message in self._messages(head, data):
            try:
                is_stream = head["key"]["protocol"] == IPPROTO_TCP
                parsed = parse(message, is_cut=not (is_whole or is_stream))
            except MalformedError:
                self.lose_message()
                continue
            yield self._note(head, kind, parsed)

    def _kind(self, head: Any) -> str:
        ports = (int(head["key"]["remote_port_be"]), int(head["key"]["local_port_be"]))
        numbers = [socket.ntohs(port) for port in ports]
        return next((_KINDS[number] for number in numbers if number in _KINDS), "dns")

    def _messages(self, head: Any, data: bytes) -> Iterator[bytes]:
        if head["key"]["protocol"] != IPPROTO_TCP:
            yield data
            return
        key = (head["key"].tobytes(), int(head["event"]["what"]))
        sequence, flags = int(head["tcp_sequence"]), int(head["tcp_flags"])
        if flags & _SYN:
            self._streams.begin(key, sequence)
        elif data:
            yield from self._streams.add(key, sequence, data)
        if flags & _FIN_RST:
            self._streams.end(key)

    def _note(self, head: Any, kind: str, message: Message) -> Seen:
        at_ns, owner_id = int(head["event"]["at_ns"]), int(head["event"]["owner_id"])
        party = _party(head, message)
        query = (party, message.id, message.name, message.type)
        latency_us: int | None = None
        asker = owner_id if head["event"]["what"] else 0  # to whom the answer goes
        if not message.is_response:
            self._pairs.add(*query, Question(at_ns, owner_id))
        elif kind not in _MULTICAST:
            question = self._pairs.answer(*query, at_ns)
            if question is not None:
                latency_us = (at_ns - question.at_ns) // 1000
                asker = question.owner_id or asker
                owner_id = question.owner_id or owner_id
        seen = (at_ns + clock.wall_minus_monotonic_ns()) / 1e9
        self._count(kind, message, latency_us, seen)
        if message.is_response:
            self._remember_addresses(kind, message, seen, asker)
        return Seen(head, kind, message, latency_us, owner_id)

    def _count(self, kind: str, message: Message, latency_us: int | None, seen: float) -> None:
        key = (kind, message.name or "", message.type or "")
        counts = self._learned.names.setdefault(key, NameCounts())
        counts.last_seen = max(counts.last_seen, seen)
        if message.is_incomplete:
            self._learned.lose("incomplete")
            self._learned.lose("unread_records", message.unread)
        if not message.is_response:
            counts.queries += 1
            return
        counts.responses += 1
        counts.rcodes[message.rcode] += 1
        if latency_us is not None:
            counts.latencies_us.append(min(latency_us, 0xFFFFFFFF))

    def _remember_addresses(self, kind: str, message: Message, seen: float, asker: int) -> None:
        """Under the name that was queried: that is what a process that then connects means."""
        for name, address, ttl_s in addresses_of(message):
            if kind in _MULTICAST and not ttl_s:
                continue  # a goodbye (RFC 6762, 10.1)
            known = self._learned.addresses.setdefault(address, [])
            add(known, [Sighting(name, asker, seen, seen, seen + ttl_s)])


def addresses_of(message: Message) -> Iterator[tuple[str, str, int]]:
    """Name, address and seconds to live.

    The name is the one that was queried, whatever CNAMEs lead from it to the address; of an address
    that none leads to (with mDNS, which needs no query, of any) its own. Addresses that blocklists
    answer with (127.0.0.1, 0.0.0.0, ::1 and their like) name nothing.
    """
    queried = _queried_names(message)
    for answer in message.answers:
        if answer.type not in ("A", "AAAA") or answer.record_class != "IN":
            continue
        address = ipaddress.ip_address(answer.data)
        if isinstance(address, ipaddress.IPv6Address):
            address = address.ipv4_mapped or address  # packets to it are IPv4
        if not address.is_loopback and not address.is_unspecified:
            name = message.name if answer.name in queried else answer.name
            yield name or "", str(address), answer.ttl_s


def _queried_names(message: Message) -> set[str | None]:
    """The name that was queried, and those that it is an alias of."""
    canonical = {one.name: one.data.lower() for one in message.answers if one.type == "CNAME"}
    name, names = message.name, set[str | None]()
    while name is not None and name not in names:
        names.add(name)
        name = canonical.get(name)
    return names


def _party(head: Any, message: Message) -> Party:
    """From the message: the client sends queries and gets responses."""
    key, is_rx = head["key"], bool(head["event"]["what"])
    client_is_local = is_rx == message.is_response
    sides = ("local", "remote") if client_is_local else ("remote", "local")
    (client, client_port), (server, server_port) = [
        (key[f"{side}_addr"].tobytes(), int(key[f"{side}_port_be"])) for side in sides
    ]
    return Party(client, client_port, server, server_port, int(key["protocol"]))
