# SPDX-License-Identifier: MIT
"""An expression as the steps of bpf/events/capture_filter.bpf.h.

What the kernel cannot evaluate (patterns of process and cgroup names) is true there, and the whole
expression is evaluated again on the packets that pass: so none is missed. Negations are moved to
the terms first, where "may be" stays "may be", negated or not.
"""

from __future__ import annotations

import pwd
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from trafficmon.errors import UsageError
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
from trafficmon.layout import MATCH, MATCH_STEPS, FlowFlag, MatchKind, MatchSide
from trafficmon.model.groups import Records

_SIDES = {
    "either": MatchSide.LOCAL | MatchSide.REMOTE,
    "local": MatchSide.LOCAL,
    "remote": MatchSide.REMOTE,
}
_FAMILIES = {4: FlowFlag.IPV4, 6: FlowFlag.IPV6}
_OWNED = {MatchKind.UID, MatchKind.PID, MatchKind.CGROUP}


@dataclass(frozen=True)
class Steps:
    """``records``: MATCH_STEPS of MATCH. ``is_exact``: the kernel evaluates all of it."""

    records: Records
    asks_owner: bool
    is_exact: bool


def steps_of(
    expression: Expression | None,
    slots: Mapping[str, int],
    cgroup_id: Callable[[str], int | None],
) -> Steps:
    """Of an expression; None lets all packets pass.

    ``slots``: of the watched interfaces, by name; ``cgroup_id``: of a path, None where it is not
    there. UsageError where the expression needs more steps than there are.
    """
    compiler = _Compiler(slots, cgroup_id)
    if expression is not None:
        compiler.node(expression.root, negated=False)
    records = np.zeros(MATCH_STEPS, MATCH)
    if len(compiler.steps) > MATCH_STEPS:
        raise UsageError(
            f"the expression takes {len(compiler.steps)} steps in the kernel, which has room for "
            f"{MATCH_STEPS}; leave some of it out"
        )
    records[: len(compiler.steps)] = compiler.steps
    kinds = {int(step["kind"]) for step in compiler.steps}
    return Steps(records, bool(kinds & _OWNED), compiler.is_exact)


class _Compiler:
    """Walks the tree and lists the steps."""

    def __init__(self, slots: Mapping[str, int], cgroup_id: Callable[[str], int | None]) -> None:
        self._slots, self._cgroup_id = slots, cgroup_id
        self.steps: list[Any] = []
        self.is_exact = True

    def node(self, node: Node, *, negated: bool) -> None:
        match node:
            case Not(operand):
                self.node(operand, negated=not negated)
            case And(operands) | Or(operands):
                is_and = isinstance(node, And) != negated
                self.node(operands[0], negated=negated)
                for operand in operands[1:]:
                    self.node(operand, negated=negated)
                    self._add(MatchKind.AND if is_and else MatchKind.OR)
            case _:
                if not self._term(node):
                    self.is_exact = False
                    self._add(MatchKind.TRUE)
                elif negated:
                    self._add(MatchKind.NOT)

    def _add(self, kind: MatchKind, **fields: Any) -> bool:
        step = np.zeros(1, MATCH)[0]
        step["kind"] = kind
        for name, value in fields.items():
            step[name] = value
        self.steps.append(step)
        return True

    def _term(self, term: Term) -> bool:
        """False: the kernel cannot evaluate that."""
        match term:
            case Host(network, side):
                return self._host(network, _SIDES[side])
            case Glob("iface", pattern):
                return self._interfaces(pattern)
            case Glob("cgroup", pattern):
                return self._cgroup(pattern)
            case Glob():
                return False
            case _:
                kind, fields = _plain_step(term)
                return self._add(kind, **fields)

    def _host(self, network: Any, sides: int) -> bool:
        words = {
            name: np.frombuffer(packed.ljust(16, b"\0"), np.uint64)
            for name, packed in (
                ("address", network.network_address.packed),
                ("mask", network.netmask.packed),
            )
        }
        return self._add(MatchKind.HOST, sides=sides, family=_FAMILIES[network.version], **words)

    def _interfaces(self, pattern: str) -> bool:
        matching = [slot for name, slot in self._slots.items() if fnmatchcase(name, pattern)]
        self._add(MatchKind.TRUE)
        if not matching:
            return self._add(MatchKind.NOT)
        self.steps.pop()
        for place, slot in enumerate(matching):
            self._add(MatchKind.INTERFACE, low=slot)
            if place:
                self._add(MatchKind.OR)
        return True

    def _cgroup(self, pattern: str) -> bool:
        """One cgroup that is there: by its id. Patterns may mean those that are yet to be made."""
        if any(char in pattern for char in "*?["):
            return False
        number = self._cgroup_id(pattern)
        return number is not None and self._add(MatchKind.CGROUP, number=number)


def _plain_step(term: Port | Proto | Family | Direction | Ident | User) -> tuple[MatchKind, Any]:
    """A term that is one step with numbers in it."""
    match term:
        case Port(low, high, side):
            step = MatchKind.PORT, {"sides": _SIDES[side], "low": low, "high": high}
        case Proto(number):
            step = MatchKind.PROTOCOL, {"low": number}
        case Family(version):
            step = MatchKind.FAMILY, {"low": _FAMILIES[version]}
        case Direction(towards):
            step = MatchKind.DIRECTION, {"low": int(towards == "in")}
        case Ident(column, number):
            step = MatchKind.UID if column == "uid" else MatchKind.PID, {"low": number}
        case User(name):
            step = MatchKind.UID, {"low": _uid(name)}
    return step


def _uid(name: str) -> int:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise UsageError(f"no user {name!r} on this host; 'uid' takes a number") from None
