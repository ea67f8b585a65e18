# SPDX-License-Identifier: MIT
"""Which program and link attach has made at which hook, by the kernel's numbers, in the records.

The readers compare these with what the kernel says (trafficmon/hooks).
"""

from __future__ import annotations

from typing import Any

from trafficmon.hook_registry import INTERFACE_KINDS
from trafficmon.libbpf.info import program_facts
from trafficmon.libbpf.link import Link
from trafficmon.libbpf.object import Program


def note(record: Any, kind: str, program: Program, link: Link | None = None) -> None:
    """Into the INTERFACE ``record``: ``kind`` runs ``program``, by ``link`` or by a filter."""
    record["hooks"][INTERFACE_KINDS.index(kind)] = numbers(program, link)


def note_program(record: Any, kind: str, program: Program) -> None:
    """Another program on the same link, or filter."""
    record["hooks"][INTERFACE_KINDS.index(kind)]["program_id"] = program_facts(program).id


def numbers(program: Program, link: Link | None) -> tuple[int, int]:
    """The ids of both; 0 for no link."""
    return program_facts(program).id, 0 if link is None else link.facts().id
