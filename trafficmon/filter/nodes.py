# SPDX-License-Identifier: MIT
"""The syntax tree of an expression, and its text.

Every node has the `span` it was read from (first and past-last character), for carets. Spans do
not count when nodes are compared, so that a tree built by hand equals one that was parsed.
"""

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Literal, TypeAlias

from trafficmon.filter.lexer import quote
from trafficmon.protocols import protocol_name

Side: TypeAlias = Literal["either", "local", "remote"]
Span: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Host(_Node):
    """The address on `side` lies in `network`; a single address is a network of one."""

    network: IPv4Network | IPv6Network
    side: Side = "either"


@dataclass(frozen=True, slots=True)
class Port(_Node):
    """The port on `side` lies between `low` and `high`, both included; host order."""

    low: int
    high: int
    side: Side = "either"


@dataclass(frozen=True, slots=True)
class Proto(_Node):
    """The IP protocol has this number."""

    number: int


@dataclass(frozen=True, slots=True)
class Family(_Node):
    """The addresses are of this IP version."""

    version: Literal[4, 6]


@dataclass(frozen=True, slots=True)
class Direction(_Node):
    """There are packets towards this host (in) or away from it (out)."""

    towards: Literal["in", "out"]


@dataclass(frozen=True, slots=True)
class Glob(_Node):
    """The text in column `column` matches the shell pattern, upper and lower case apart."""

    column: Literal["iface", "comm", "cgroup"]
    pattern: str


@dataclass(frozen=True, slots=True)
class User(_Node):
    """The user has this name."""

    name: str


@dataclass(frozen=True, slots=True)
class Ident(_Node):
    """The user id or process id has this value."""

    column: Literal["uid", "pid"]
    number: int


@dataclass(frozen=True, slots=True)
class Not(_Node):
    """`operand` does not match."""

    operand: "Node"


@dataclass(frozen=True, slots=True)
class And(_Node):
    """Each of the two or more operands matches."""

    operands: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Or(_Node):
    """One of the two or more operands matches."""

    operands: tuple["Node", ...]


Term: TypeAlias = Host | Port | Proto | Family | Direction | Glob | User | Ident
Node: TypeAlias = Term | Not | And | Or


@dataclass(frozen=True, slots=True)
class Expression:
    """A whole expression: the text it was read from and its tree."""

    text: str
    root: Node


def unparse(node: Node) -> str:
    """Text that parses to `node`; keywords in lower case, names resolved to numbers."""
    match node:
        case Not(operand):
            return f"not {_operand(operand)}"
        case And(operands):
            return " and ".join(map(_operand, operands))
        case Or(operands):
            return " or ".join(map(_operand, operands))
        case _:
            return f"{keyword(node)} {_value(node)}".rstrip()


def keyword(term: Term) -> str:
    """The word or words a term begins with, such as "host" or "local port"."""
    match term:
        case Host(side=side) | Port(side=side):
            word = "host" if isinstance(term, Host) else "port"
            return word if side == "either" else f"{side} {word}"
        case Glob(column) | Ident(column):
            return column
        case Family(version):
            return "ip" if version == 4 else "ip6"
        case Proto():
            return "proto"
        case Direction():
            return "dir"
        case User():
            return "user"


def _value(term: Term) -> str:
    match term:
        case Host(network):
            single = network.prefixlen == network.max_prefixlen
            return str(network.network_address if single else network)
        case Port(low, high):
            return str(low) if low == high else f"{low}-{high}"
        case Proto(number):
            return protocol_name(number)
        case Ident(_, number):
            return str(number)
        case Glob(_, text) | User(text) | Direction(text):
            return quote(text)
        case Family():
            return ""


def _operand(node: Node) -> str:
    text = unparse(node)
    return f"({text})" if isinstance(node, And | Or) else text
