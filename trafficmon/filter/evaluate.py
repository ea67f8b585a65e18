# SPDX-License-Identifier: MIT
"""An expression applied to the columns of a table."""

import fnmatch
import re
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network
from typing import Final, TypeVar

import numpy as np

from trafficmon.filter.columns import (
    AddressColumn,
    BoolColumn,
    FilterColumns,
    IntColumn,
    TextColumn,
)
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
)
from trafficmon.filter.offers import cannot_be_filtered, terms_offered

T = TypeVar("T")
_ADDRESS_BYTES: Final = 16


def matches(expression: Expression, columns: FilterColumns) -> BoolColumn:
    """Which rows match: a new bool array of shape (columns.length,).

    Raises FilterError when a term uses a column that the table does not have.
    """
    return _Evaluation(expression, columns).mask(expression.root)


def terms_of(columns: FilterColumns) -> list[str]:
    """The terms that a table can be filtered by, as they are written."""
    return terms_offered(columns.names())


class _Evaluation:
    """One expression over one table. Every mask it makes is new, so that it may be changed."""

    def __init__(self, expression: Expression, columns: FilterColumns) -> None:
        self._expression = expression
        self._columns = columns

    def mask(self, node: Node) -> BoolColumn:
        match node:
            case And(operands):
                return self._combined(np.logical_and, operands)
            case Or(operands):
                return self._combined(np.logical_or, operands)
            case Not(operand):
                mask = self.mask(operand)
                return np.logical_not(mask, out=mask)
            case _:
                return self._term(node)

    def _combined(self, operator: np.ufunc, operands: tuple[Node, ...]) -> BoolColumn:
        combined = self.mask(operands[0])
        for operand in operands[1:]:
            operator(combined, self.mask(operand), out=combined)
        return combined

    def _term(self, term: Term) -> BoolColumn:
        columns = self._columns
        match term:
            case Host():
                mask = self._host(term)
            case Port():
                mask = self._port(term)
            case Family():
                mask = self._family(term)
            case User() | Glob():
                mask = self._text(term)
            case Proto(number):
                mask = _between(self._needed(term, columns.protocol), number, number)
            case Ident(column, number):
                numbers = columns.uid if column == "uid" else columns.pid
                mask = _between(self._needed(term, numbers), number, number)
            case Direction(towards):
                packets = columns.rx_packets if towards == "in" else columns.tx_packets
                mask = np.greater(self._needed(term, packets), 0)
        return mask

    def _host(self, term: Host) -> BoolColumn:
        columns = self._columns
        is_ipv6 = self._needed(term, columns.is_ipv6)
        masks = []
        if term.side != "remote" and columns.local_addr is not None:
            mask = _within(columns.local_addr, is_ipv6, term.network)
            masks.append(_but_null(mask, columns.has_local_addr))
        if term.side != "local" and columns.remote_addr is not None:
            mask = _within(columns.remote_addr, is_ipv6, term.network)
            masks.append(_but_null(mask, columns.has_remote_addr))
        return self._either(term, masks)

    def _port(self, term: Port) -> BoolColumn:
        columns = self._columns
        masks = []
        if term.side != "remote" and columns.local_port is not None:
            masks.append(_between(columns.local_port, term.low, term.high))
        if term.side != "local" and columns.remote_port is not None:
            masks.append(_between(columns.remote_port, term.low, term.high))
        return self._either(term, masks)

    def _family(self, term: Family) -> BoolColumn:
        columns = self._columns
        mask = np.equal(self._needed(term, columns.is_ipv6), term.version == 6)
        return _but_null(mask, columns.has_address())

    def _text(self, term: User | Glob) -> BoolColumn:
        columns = self._columns
        if isinstance(term, User):
            name = term.name
            return _texts(self._needed(term, columns.user), lambda text: text == name)
        texts = {"iface": columns.interface, "comm": columns.comm, "cgroup": columns.cgroup}
        matched = re.compile(fnmatch.translate(term.pattern)).match
        column = self._needed(term, texts[term.column])
        return _texts(column, lambda text: matched(text) is not None)

    def _either(self, term: Term, masks: list[BoolColumn]) -> BoolColumn:
        if not masks:
            raise self._missing(term)
        mask = masks[0]
        for other in masks[1:]:
            mask |= other
        return mask

    def _needed(self, term: Term, column: T | None) -> T:
        if column is None:
            raise self._missing(term)
        return column

    def _missing(self, term: Term) -> FilterError:
        columns = self._columns
        return cannot_be_filtered(term, self._expression, columns.table, columns.names())


def _within(
    addresses: AddressColumn, is_ipv6: BoolColumn, network: IPv4Network | IPv6Network
) -> BoolColumn:
    if addresses.strides[1] != 1:
        addresses = np.ascontiguousarray(addresses)
    # Masking and comparing do not care for byte order, so eight bytes go at once as they are.
    words = addresses.view(np.uint64)
    netmask, prefix = _words(network.netmask.packed), _words(network.network_address.packed)
    mask = np.equal(is_ipv6, network.version == 6)
    for half in range(2):
        if netmask[half]:
            mask &= (words[:, half] & netmask[half]) == prefix[half]
    return mask


def _words(packed: bytes) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.frombuffer(packed.ljust(_ADDRESS_BYTES, b"\0"), np.uint64)


def _but_null(mask: BoolColumn, known: BoolColumn | None) -> BoolColumn:
    if known is not None:
        mask &= known
    return mask


def _between(numbers: IntColumn, low: int, high: int) -> BoolColumn:
    """Where `low` <= number <= `high`; these are never negative, so that null (-1) is not."""
    if low == high:
        return np.equal(numbers, low)
    return np.logical_and(numbers >= low, numbers <= high)


class _Verdicts(dict[str | None, bool]):
    """Whether a text matches, computed once for each of the few different ones."""

    def __init__(self, predicate: Callable[[str], bool]) -> None:
        super().__init__()
        self._predicate = predicate

    def __missing__(self, text: str | None) -> bool:
        verdict = text is not None and self._predicate(text)
        self[text] = verdict
        return verdict


def _texts(texts: TextColumn, predicate: Callable[[str], bool]) -> BoolColumn:
    verdicts = _Verdicts(predicate)
    return np.fromiter(map(verdicts.__getitem__, texts.tolist()), np.bool_, len(texts))
