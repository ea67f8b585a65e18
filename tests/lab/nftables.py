# SPDX-License-Identifier: MIT
"""nftables in a namespace of the lab: rules, and what their counters say."""

from __future__ import annotations

import re

from tests.lab.namespace import Namespace

Count = tuple[int, int]
"""Packets, and the bytes of their IP packets."""

_TABLE = "tmcount"


def load(namespace: Namespace, rules: str) -> None:
    """Add rules to those that are there."""
    namespace.run(["nft", "-f", "-"], stdin=rules)


def counters(namespace: Namespace, table: str) -> list[Count]:
    """Every counter of a table of the family inet, in the order of its rules."""
    listing = namespace.run(["nft", "list", "table", "inet", table]).stdout
    found = re.findall(r"packets (\d+) bytes (\d+)", listing)
    return [(int(packets), int(octets)) for packets, octets in found]


def delete(namespace: Namespace, table: str) -> None:
    """Remove a table of the family inet with its rules."""
    namespace.run(["nft", "delete", "table", "inet", table])


def count_local(namespace: Namespace, match: str) -> None:
    """Count what the namespace's own sockets receive and send of what ``match`` selects."""
    hooks = "".join(
        f"chain {hook} {{ type filter hook {hook} priority 0; {match} counter; }}\n"
        for hook in ("input", "output")
    )
    load(namespace, f"table inet {_TABLE} {{\n{hooks}}}\n")


def counted_local(namespace: Namespace) -> tuple[Count, Count]:
    """Received and sent since `count_local`."""
    received, sent = counters(namespace, _TABLE)
    return received, sent


def stop_counting(namespace: Namespace) -> None:
    """Undo `count_local`."""
    delete(namespace, _TABLE)
