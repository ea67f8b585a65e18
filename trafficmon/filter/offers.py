# SPDX-License-Identifier: MIT
"""The terms that a table can be filtered by, from its columns; without its rows."""

from collections.abc import Collection, Iterator

from trafficmon.filter.errors import FilterError
from trafficmon.filter.nodes import (
    And,
    Direction,
    Expression,
    Family,
    Glob,
    Host,
    Ident,
    Node,
    Not,
    Or,
    Port,
    Proto,
    Term,
    User,
    keyword,
)


def require_offered(expression: Expression, table: str, columns: Collection[str]) -> None:
    """FilterError for the first term that needs a column (of FilterColumns) not in `columns`."""
    for term in _terms(expression.root):
        if not _is_offered(term, columns):
            raise cannot_be_filtered(term, expression, table, columns)


def cannot_be_filtered(
    term: Term, expression: Expression, table: str, columns: Collection[str]
) -> FilterError:
    """The error for a term that a table has no column for."""
    offered = ", ".join(terms_offered(columns))
    choices = f"choose from {offered}" if offered else "it has no filter"
    problem = f"table '{table}' cannot be filtered by '{keyword(term)}' ({choices})"
    return FilterError(problem, expression.text, term.span)


def terms_offered(columns: Collection[str]) -> list[str]:
    """The terms that a table can be filtered by, as they are written."""
    offers = {
        **_sided("host", "addr", columns),
        **_sided("port", "port", columns),
        "proto": "protocol" in columns,
        "iface": "interface" in columns,
        "dir": {"rx_packets", "tx_packets"} <= set(columns),
        "user": "user" in columns,
        "uid": "uid" in columns,
        "pid": "pid" in columns,
        "comm": "comm" in columns,
        "cgroup": "cgroup" in columns,
        "ip": "is_ipv6" in columns,
        "ip6": "is_ipv6" in columns,
    }
    return [term for term, offered in offers.items() if offered]


def _sided(word: str, column: str, columns: Collection[str]) -> dict[str, bool]:
    has_local, has_remote = (f"{side}_{column}" in columns for side in ("local", "remote"))
    return {
        word: has_local and has_remote,
        f"local {word}": has_local and not has_remote,
        f"remote {word}": has_remote and not has_local,
    }


def _terms(node: Node) -> Iterator[Term]:
    match node:
        case And(operands) | Or(operands):
            for operand in operands:
                yield from _terms(operand)
        case Not(operand):
            yield from _terms(operand)
        case _:
            yield node


def _is_offered(term: Term, columns: Collection[str]) -> bool:
    match term:
        case Host(side=side) | Port(side=side):
            column = "addr" if isinstance(term, Host) else "port"
            sides = ("local", "remote") if side == "either" else (side,)
            return any(f"{one}_{column}" in columns for one in sides)
        case Direction(towards):
            needed = "rx_packets" if towards == "in" else "tx_packets"
        case Glob(column) | Ident(column):
            needed = "interface" if column == "iface" else column
        case Family():
            needed = "is_ipv6"
        case Proto():
            needed = "protocol"
        case User():
            needed = "user"
    return needed in columns
