# SPDX-License-Identifier: MIT
"""Records of the kernel as events, and events as records: each as it always was."""

from __future__ import annotations

import json
import socket
from typing import Any

import numpy as np
import pytest

from tests.unit.events.names import OFFSET_NS, RECORDED, RecordedNames, raw_events
from trafficmon.dns.learn import Learner
from trafficmon.events.decode import EventDecoder
from trafficmon.events.endpoints import endpoints_of
from trafficmon.events.event import (
    ConnectionEvent,
    DnsEvent,
    DropEvent,
    Event,
    PacketEvent,
)
from trafficmon.events.unpack import place_of, unpacker
from trafficmon.layout import (
    CONN,
    DNS,
    DROP_EVENT,
    EVENT,
    FLOW_KEY,
    PACKET_EVENT,
    SAMPLE,
    CloseReason,
    ConnEvent,
    FlowFlag,
    Role,
)
from trafficmon.render.plain import to_json

TYPES = {"conn": ConnectionEvent, "packet": PacketEvent, "drop": DropEvent, "dns": DnsEvent}


@pytest.fixture
def decoder() -> EventDecoder:
    return EventDecoder(RecordedNames())


def line(record: Any) -> str:
    """With the order of the fields."""
    return to_json(record)


@pytest.mark.parametrize("number", range(len(RECORDED["events"])))
def test_a_recorded_event_has_the_record_that_it_had(decoder: EventDecoder, number: int) -> None:
    recorded = RECORDED["events"][number]
    event = decoder.decode(bytes.fromhex(recorded["raw"]), OFFSET_NS)
    assert type(event) is TYPES[recorded["record"]["type"]]
    assert line(event.record()) == line(recorded["record"])


def test_recorded_dns_messages_have_the_records_that_they_had(decoder: EventDecoder) -> None:
    learner = Learner()
    seen = [one for part in RECORDED["dns"] for one in learner.read(bytes.fromhex(part["raw"]))]
    events = [decoder.dns(one, OFFSET_NS) for one in seen]
    assert [line(one.record()) for one in events] == [line(o["record"]) for o in RECORDED["dns"]]


def test_what_was_recorded_is_of_all_types_and_both_families() -> None:
    records = [one["record"] for one in RECORDED["events"] + RECORDED["dns"]]
    families = {
        (one["type"], ":" in (one.get("local_addr") or one.get("src_addr"))) for one in records
    }
    assert families == {(name, is_ipv6) for name in TYPES for is_ipv6 in (False, True)}
    assert {one["reason"] for one in records if one["type"] == "conn" and one["reason"]} == {
        "closed_there",
        "refused",
    }


def conn(**members: int) -> bytes:
    record = np.frombuffer(bytearray(raw_events("conn")[1]), CONN)
    for name, value in members.items():
        part = record["event"] if name == "what" else record
        part[name] = value
    return record.tobytes()


@pytest.mark.parametrize("end", list(CloseReason))
@pytest.mark.parametrize("role", list(Role))
def test_ends_and_roles(decoder: EventDecoder, end: CloseReason, role: Role) -> None:
    ended = {"close_reason": end, "role": role}
    event = decoder.decode(conn(**ended, what=ConnEvent.CLOSED), OFFSET_NS).record()
    assert event["reason"] == end.name.lower()
    assert event["role"] == {Role.ACTIVE: "active", Role.PASSIVE: "passive"}.get(role)
    opened = decoder.decode(conn(**ended, what=ConnEvent.OPENED), OFFSET_NS).record()
    assert (opened["event"], opened["reason"], opened["duration_s"]) == ("opened", None, None)


def test_what_is_not_known_of_a_connection_is_null(decoder: EventDecoder) -> None:
    raw = conn(srtt_us=0, min_rtt_us=0xFFFFFFFF, opened_ns=0, what=ConnEvent.CLOSED)
    event = decoder.decode(raw, OFFSET_NS).record()
    unknown = ("rtt_us", "min_rtt_us", "duration_s", "remote_name")
    assert [event[name] for name in unknown] == [None] * 4
    known = decoder.decode(conn(srtt_us=7, min_rtt_us=1), OFFSET_NS).record()
    assert (known["rtt_us"], known["min_rtt_us"]) == (7, 1)


def test_a_drop_that_is_not_ip_has_no_ends(decoder: EventDecoder) -> None:
    raw = bytearray(raw_events("drop")[0])
    raw[place_of(DROP_EVENT, "key")] = bytes(FLOW_KEY.itemsize)
    event = decoder.decode(bytes(raw), OFFSET_NS)
    assert event.endpoints is None
    ends = ("protocol", "src_addr", "src_port", "dst_addr", "dst_port")
    assert [event.record()[name] for name in ends] == [None] * 5


@pytest.mark.parametrize(
    ("flags", "name"),
    [(0x02, "syn"), (0x12, "syn_ack"), (0x01, "fin"), (0x11, "fin"), (0x04, "rst"), (0x06, "rst")],
)
def test_handshakes_by_their_flags(decoder: EventDecoder, flags: int, name: str) -> None:
    raw = next(r for r in raw_events("packet") if decoder.decode(r, 0).event == "syn")
    record = np.frombuffer(bytearray(raw), PACKET_EVENT)
    record["tcp_flags"] = flags
    assert decoder.decode(record.tobytes(), OFFSET_NS).event == name


@pytest.mark.parametrize("address", ["192.0.2.9", "2001:db8::9", "::ffff:192.0.2.9"])
def test_addresses_stay_as_they_are_and_text_is_made_of_them(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    packed = socket.inet_pton(family, address).ljust(16, b"\0")
    key = np.zeros(1, FLOW_KEY)
    key["local_addr"] = key["remote_addr"] = np.frombuffer(packed, np.uint8)
    key["flags"] = FlowFlag.IPV6 if family == socket.AF_INET6 else FlowFlag.IPV4
    key["local_port_be"], key["interface_id"] = 5, 0xFFFE
    ends, interface_id, is_ip = endpoints_of(key.tobytes())
    assert (ends.local_addr, ends.remote_addr) == (packed, packed)
    assert ends.local_text == ends.remote_text == address
    assert (ends.local_port, ends.remote_port) == (None, None)
    assert (interface_id, is_ip) == (0xFFFE, True)


@pytest.mark.parametrize("dtype", [EVENT, CONN, PACKET_EVENT, DROP_EVENT, DNS, SAMPLE])
def test_members_are_where_the_compiler_has_put_them(dtype: np.dtype[Any]) -> None:
    raw = bytes((7 * place + 3) % 256 for place in range(dtype.itemsize))
    record = np.frombuffer(raw, dtype)[0]
    paths = [
        name if inner is None else f"{name}.{inner}"
        for name in dtype.names or ()
        for inner in (dtype[name].names or (None,))
    ]
    for path, value in zip(paths, unpacker(dtype, *paths)(raw), strict=True):
        expected = record
        for name in path.split("."):
            expected = expected[name]
        assert value == (expected.tobytes() if expected.ndim else int(expected)), path


def test_events_are_not_changed(decoder: EventDecoder) -> None:
    event: Event = decoder.decode(raw_events()[0], OFFSET_NS)
    with pytest.raises(AttributeError):
        event.at_ns = 1  # type: ignore[misc]
    assert json.loads(line(event.record()))["time"].endswith("Z")
