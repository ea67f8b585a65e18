# SPDX-License-Identifier: MIT
"""IP protocol numbers and their names.

Source: the IANA registry "Assigned Internet Protocol Numbers"; its keywords in lower case, with
three as network tools write them: 58 is icmpv6, 89 ospf, 124 isis. Mind that IANA gives
the name ipip to 94; the IP-in-IP tunnels of Linux are 4, ipv4.
"""

from typing import Final

from trafficmon.errors import UsageError
from trafficmon.suggest import closest

PROTOCOL_COUNT: Final = 256
_SHOWN_CHARACTERS: Final = 40

# In the order of their numbers from 0 on; "-" where IANA has assigned a number without a keyword.
_KEYWORDS: Final = """
    hopopt icmp igmp ggp ipv4 st tcp cbt egp igp
    bbn-rcc-mon nvp-ii pup argus emcon xnet chaos udp mux dcn-meas
    hmp prm xns-idp trunk-1 trunk-2 leaf-1 leaf-2 rdp irtp iso-tp4
    netblt mfe-nsp merit-inp dccp 3pc idpr xtp ddp idpr-cmtp tp++
    il ipv6 sdrp ipv6-route ipv6-frag idrp rsvp gre dsr bna
    esp ah i-nlsp swipe narp min-ipv4 tlsp skip icmpv6 ipv6-nonxt
    ipv6-opts - cftp - sat-expak kryptolan rvd ippc - sat-mon
    visa ipcv cpnx cphb wsn pvp br-sat-mon sun-nd wb-mon wb-expak
    iso-ip vmtp secure-vmtp vines iptm nsfnet-igp dgp tcf eigrp ospf
    sprite-rpc larp mtp ax.25 ipip micp scc-sp etherip encap -
    gmtp ifmp pnni pim aris scps qnx a/n ipcomp snp
    compaq-peer ipx-in-ip vrrp pgm - l2tp ddx iatp stp srp
    uti smp sm ptp isis fire crtp crudp sscopmce iplt
    sps pipe sctp fc rsvp-e2e-ignore mobility-header udplite mpls-in-ip manet hip
    shim6 wesp rohc ethernet aggfrag nsh homa bit-emu
""".split()  # noqa: SIM905 -- ten in a row can be read and counted, 148 lines cannot

# Other names in use: IANA's own where ours differs, older keywords, and those of /etc/protocols.
_ALIASES: Final = {
    "icmp6": 58,
    "ipencap": 4,
    "ipv6-icmp": 58,
    "mobile": 55,
    "ospfigp": 89,
    "rspf": 73,
    "ttp": 84,
}


def _name_table() -> tuple[str, ...]:
    names = [str(number) for number in range(PROTOCOL_COUNT)]
    for number, keyword in enumerate(_KEYWORDS):
        if keyword != "-":
            names[number] = keyword
    return tuple(names)


PROTOCOL_NAMES: Final = _name_table()
"""All 256 names by number; the number itself as a string where it has no name."""

_NUMBERS: Final = {
    name: number for number, name in enumerate(PROTOCOL_NAMES) if not name.isdigit()
} | _ALIASES

# include/uapi/linux/in.h: IPPROTO_SMC (6.11), IPPROTO_MPTCP (5.6)
_SOCKET_PROTOCOLS: Final = {256: "smc", 262: "tcp"}

_USUAL: Final = ("tcp", "udp", "icmp", "icmpv6", "sctp", "gre", "esp", "ospf", "igmp")

KNOWN_NAMES: Final = tuple(name for name in PROTOCOL_NAMES if not name.isdigit())
"""The names alone, in the order of their numbers."""


def protocol_name(number: int) -> str:
    """Name of IP protocol `number` (0 to 255), or the number as a string where it has none."""
    if not 0 <= number < PROTOCOL_COUNT:
        raise ValueError(f"IP protocol number {number} is not between 0 and 255")
    return PROTOCOL_NAMES[number]


def socket_protocol_name(number: int) -> str:
    """Name of a socket's protocol: an IP protocol, or one of Linux' own beyond 255.

    MPTCP packets are TCP packets. Numbers without a name stay numbers.
    """
    if number < PROTOCOL_COUNT:
        return protocol_name(number)
    return _SOCKET_PROTOCOLS.get(number, str(number))


def protocol_number(name_or_number: str | int) -> int:
    """Number (0 to 255) of an IP protocol given by name (case does not matter) or number.

    Raises UsageError for an unassigned name or a number out of range.
    """
    text = str(name_or_number)
    if text.isascii() and text.isdigit():
        # Leading zeros say nothing; three digits are enough for every number there is.
        digits = text.lstrip("0") or "0"
        if len(digits) <= len("255") and int(digits) < PROTOCOL_COUNT:
            return int(digits)
    elif text.lower() in _NUMBERS:
        return _NUMBERS[text.lower()]
    raise UsageError(_unknown_protocol(text))


def _unknown_protocol(text: str) -> str:
    guess = text.lower()
    # The usual ones first: 'tpc' is as near to 'xtp' as to 'tcp'.
    close = closest(guess, _USUAL) or closest(guess, _NUMBERS)
    remedy = f"did you mean '{close}'?" if close else "write a name such as tcp, or 0 to 255"
    # Long enough for every name there is; ascii() so that nothing hostile reaches a terminal.
    shown = ascii(text[:_SHOWN_CHARACTERS])
    return f"unknown IP protocol {shown}: {remedy}"
