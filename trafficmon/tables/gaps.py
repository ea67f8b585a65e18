# SPDX-License-Identifier: MIT
"""What a table cannot show because there was no room for it, in words.

Flows are in a table that forgets the longest unseen (LRU), so sums over flows may become smaller;
owners, services and DNS names are in tables that may be full. Everything else is whole.
"""

from __future__ import annotations

from trafficmon.reader.live import Live

Notes = tuple[str, ...]


def of_flows(live: Live, lost: int) -> Notes:
    """``lost``: flows that are not in the table any more, or never were."""
    if not lost:
        return ()
    room = int(live.meta["max_flows"])
    note = (
        f"{lost:,} flows had to give way to others (there is room for {room:,}): what they counted "
        "is not in flows and hosts, but is in interfaces, ports and protocols; "
        "'trafficmon attach --max-flows N' makes more room, after a detach"
    )
    return (note,)


def of_services(live: Live) -> Notes:
    """Packets whose port or protocol found no row."""
    lost = live.ledger().service_insert_failures
    if not lost:
        return ()
    return (f"{lost:,} packets are in no row, as there was no room for their port or protocol",)


def of_processes(live: Live) -> Notes:
    """Processes without a row of their own."""
    lost = int(live.layers()["owner_insert_failures"].sum())
    if not lost:
        return ()
    note = (
        f"{lost:,} times there was no room for a process: what such processes exchange is in the "
        "row of their user and cgroup that has no pid"
    )
    return (note,)


def of_names(live: Live) -> Notes:
    """DNS names that had to go."""
    losses = live.dns_book.losses() if live.dns_book is not None else {}
    lost = losses.get("names_forgotten", 0)
    return (f"{lost:,} names were forgotten, the longest unseen first",) if lost else ()
