# SPDX-License-Identifier: MIT
"""The keywords of an expression: what each makes of its value, and what to say to other words."""

from collections.abc import Callable
from typing import Final, Literal

from trafficmon.errors import UsageError
from trafficmon.filter import values
from trafficmon.filter.errors import quoted
from trafficmon.filter.lexer import quote
from trafficmon.filter.nodes import (
    Direction,
    Glob,
    Host,
    Ident,
    Port,
    Proto,
    Side,
    Span,
    Term,
    User,
)
from trafficmon.protocols import KNOWN_NAMES, protocol_number
from trafficmon.suggest import closest

Builder = Callable[[str, Side, Span], Term]


def _host(value: str, side: Side, span: Span) -> Term:
    return Host(values.network(value), side, span=span)


def _port(value: str, side: Side, span: Span) -> Term:
    return Port(*values.port_range(value), side, span=span)


def _proto(value: str, _side: Side, span: Span) -> Term:
    return Proto(protocol_number(value), span=span)


def _direction(value: str, _side: Side, span: Span) -> Term:
    match value.lower():
        case "in" | "out" as towards:
            return Direction(towards, span=span)
        case _:
            raise UsageError(
                f"invalid direction {quoted(value)}: write in or out, as seen from this host"
            )


def _user(value: str, side: Side, span: Span) -> Term:
    if values.is_number(value):
        return _uid(value, side, span)
    return User(value, span=span)


def _uid(value: str, _side: Side, span: Span) -> Term:
    return Ident("uid", values.uid(value), span=span)


def _pid(value: str, _side: Side, span: Span) -> Term:
    return Ident("pid", values.pid(value), span=span)


def _iface(value: str, _side: Side, span: Span) -> Term:
    return Glob("iface", value, span=span)


def _comm(value: str, _side: Side, span: Span) -> Term:
    return Glob("comm", values.comm(value), span=span)


def _cgroup(value: str, _side: Side, span: Span) -> Term:
    return Glob("cgroup", value, span=span)


BUILDERS: Final[dict[str, Builder]] = {
    "host": _host,
    "net": _host,
    "port": _port,
    "proto": _proto,
    "iface": _iface,
    "dir": _direction,
    "user": _user,
    "uid": _uid,
    "pid": _pid,
    "comm": _comm,
    "cgroup": _cgroup,
}
"""Keyword to what makes a term of its value."""

FAMILIES: Final[dict[str, Literal[4, 6]]] = {"ip": 4, "ip6": 6}
SIDES: Final[dict[str, Side]] = {"local": "local", "remote": "remote"}
SIDED: Final = ("host", "net", "port")
"""Keywords that may follow local or remote."""

START_WORDS: Final = (*BUILDERS, *FAMILIES, *SIDES, "not")
JOIN_WORDS: Final = ("and", "or")

EXAMPLES: Final = {
    "host": "host 10.0.0.1",
    "net": "net 10.0.0.0/8",
    "port": "port 443",
    "proto": "proto udp",
    "iface": "iface eth0",
    "dir": "dir out",
    "user": "user alice",
    "uid": "uid 1000",
    "pid": "pid 4242",
    "comm": "comm nginx",
    "cgroup": "cgroup /system.slice/*",
}

_FAMILY_HABITS: Final = {
    **dict.fromkeys(("ipv4", "ip4", "inet", "inet4"), "ip"),
    **dict.fromkeys(("ipv6", "inet6"), "ip6"),
}
"""Words of other tools. "proto ipv6" is another thing: IPv6 in a tunnel."""

_LONGEST_ADVICE: Final = 40
_SIDE_HABITS: Final = ("src", "dst", "source", "destination", "from", "to")


def value_words(keyword: str) -> tuple[str, ...]:
    """The values `keyword` can have, where they are few enough to be listed."""
    match keyword:
        case "proto":
            return KNOWN_NAMES
        case "dir":
            return "in", "out"
        case _:
            return ()


def unknown_word(word: str) -> str:
    """The message for `word` where a term should begin."""
    return f"unknown word {quoted(word)}: {_remedy(word)}"


def _remedy(word: str) -> str:
    lower = word.lower()
    name, equals, value = word.partition("=")
    close = closest(lower, (*START_WORDS, *JOIN_WORDS))
    if equals and name.lower() in BUILDERS:
        remedy = f"write {quoted(_term_of(name.lower(), value.lstrip('=')))}"
    elif lower in _SIDE_HABITS:
        remedy = "write 'local' or 'remote', as seen from this host"
    elif values.is_number(word):
        remedy = "write the keyword before its value, as in 'port 443'"
    elif values.is_network(word):
        remedy = f"write 'host {word}'"
    elif lower in _FAMILY_HABITS:
        remedy = f"write '{_FAMILY_HABITS[lower]}'"
    elif lower in KNOWN_NAMES:
        remedy = f"write 'proto {lower}'"
    elif close:
        remedy = f"did you mean '{close}'?"
    else:
        remedy = "a term begins with one of " + ", ".join((*BUILDERS, *FAMILIES))
    return remedy


def _term_of(name: str, value: str) -> str:
    """A term that reads back; the example where that value will not do."""
    try:
        BUILDERS[name](value, "either", (0, 0))
    except UsageError:
        return EXAMPLES[name]
    term = f"{name} {quote(value)}"
    is_short = value.isprintable() and "'" not in term and len(term) <= _LONGEST_ADVICE
    return term if value and is_short else EXAMPLES[name]
