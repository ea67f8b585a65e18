# SPDX-License-Identifier: MIT
"""Names and numbers of IP protocols."""

import socket

import pytest

from trafficmon.errors import UsageError
from trafficmon.protocols import KNOWN_NAMES, PROTOCOL_NAMES, protocol_name, protocol_number

# Numbers out of the RFCs and of the kernel's include/uapi/linux/in.h, not out of our table.
NAMED = {
    "hopopt": 0, "icmp": socket.IPPROTO_ICMP, "igmp": socket.IPPROTO_IGMP, "ipv4": 4,
    "tcp": socket.IPPROTO_TCP, "egp": socket.IPPROTO_EGP, "igp": 9, "bbn-rcc-mon": 10,
    "udp": socket.IPPROTO_UDP, "hmp": 20, "rdp": 27, "netblt": 30, "dccp": 33, "tp++": 39,
    "il": 40, "ipv6": socket.IPPROTO_IPV6, "ipv6-route": 43, "ipv6-frag": 44,
    "rsvp": socket.IPPROTO_RSVP, "gre": socket.IPPROTO_GRE, "esp": socket.IPPROTO_ESP,
    "ah": socket.IPPROTO_AH, "icmpv6": socket.IPPROTO_ICMPV6, "ipv6-nonxt": 59,
    "ipv6-opts": 60, "cftp": 62, "sat-mon": 69, "visa": 70, "iso-ip": 80, "eigrp": 88,
    "ospf": 89, "sprite-rpc": 90, "ax.25": 93, "ipip": 94, "etherip": 97, "encap": 98,
    "gmtp": 100, "pim": socket.IPPROTO_PIM, "a/n": 107, "ipcomp": 108, "compaq-peer": 110,
    "vrrp": 112, "l2tp": 115, "uti": 120, "isis": 124, "sps": 130,
    "sctp": socket.IPPROTO_SCTP, "fc": 133, "mobility-header": 135,
    "udplite": socket.IPPROTO_UDPLITE, "mpls-in-ip": 137, "hip": 139, "shim6": 140, "wesp": 141,
    "rohc": 142, "ethernet": 143, "aggfrag": 144, "nsh": 145, "homa": 146, "bit-emu": 147,
}  # fmt: skip


@pytest.mark.parametrize(("name", "number"), NAMED.items())
def test_named_protocols(name: str, number: int) -> None:
    assert protocol_name(number) == name
    assert protocol_number(name) == number
    assert protocol_number(name.upper()) == number


def test_all_256_numbers_come_back_from_their_name() -> None:
    names = [protocol_name(number) for number in range(256)]

    assert [protocol_number(name) for name in names] == list(range(256))
    assert names == list(PROTOCOL_NAMES)
    assert len(set(names)) == 256


@pytest.mark.parametrize("number", [61, 63, 68, 99, 114, 148, 200, 252, 253, 254, 255])
def test_a_number_without_a_name_is_its_own(number: int) -> None:
    assert protocol_name(number) == str(number)
    assert str(number) not in KNOWN_NAMES


@pytest.mark.parametrize(
    ("alias", "number"), [("ipv6-icmp", 58), ("icmp6", 58), ("ospfigp", 89), ("ipencap", 4)]
)
def test_other_names_are_understood(alias: str, number: int) -> None:
    assert protocol_number(alias) == number


@pytest.mark.parametrize(("given", "number"), [("0", 0), ("255", 255), (17, 17), ("0006", 6)])
def test_numbers_are_taken_as_text_or_int(given: str | int, number: int) -> None:
    assert protocol_number(given) == number


@pytest.mark.parametrize("given", ["256", "-1", -1, 256, "", "\u0666", "1e2", "9" * 5000, "tcp "])
def test_everything_else_is_a_usage_error(given: str | int) -> None:
    with pytest.raises(UsageError, match="unknown IP protocol"):
        protocol_number(given)


@pytest.mark.parametrize(("typo", "meant"), [("tpc", "tcp"), ("upd", "udp"), ("ospff", "ospf")])
def test_a_misspelt_name_is_answered_with_the_right_one(typo: str, meant: str) -> None:
    with pytest.raises(UsageError, match=f"did you mean '{meant}'"):
        protocol_number(typo)


def test_a_hostile_name_does_not_reach_the_terminal() -> None:
    with pytest.raises(UsageError) as caught:
        protocol_number("\x1b[2J\u202e" + "x" * 10_000)

    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 160


@pytest.mark.parametrize("number", [-1, 256])
def test_a_number_that_is_no_protocol_has_no_name(number: int) -> None:
    with pytest.raises(ValueError, match="not between 0 and 255"):
        protocol_name(number)
