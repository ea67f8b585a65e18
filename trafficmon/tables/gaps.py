# SPDX-License-Identifier: MIT
"""What a table cannot show because there was no room for it, in words.

Flows are in a table that forgets the longest unseen (LRU), so sums over flows may become smaller;
owners, services and DNS names are in tables that may be full. Everything else is whole.
"""

from __future__ import annotations

from trafficmon.model.sample import Sample

Notes = tuple[str, ...]


def of_flows(sample: Sample, lost: int) -> Notes:
    """``lost``: flows that are not in the table any more, or never were."""
    if not lost:
        return ()
    room = sample.attachment.max_flows
    note = (
        f"{lost:,} flows had to give way to others (there is room for {room:,}): what they counted "
        "is not in flows and hosts, but is in interfaces, ports and protocols; "
        "'trafficmon attach --max-flows N' makes more room, after a detach"
    )
    return (note,)


def of_services(sample: Sample) -> Notes:
    """Packets whose port or protocol found no row."""
    lost = sample.ledger.service_insert_failures
    if not lost:
        return ()
    return (f"{lost:,} packets are in no row, as there was no room for their port or protocol",)


def of_processes(sample: Sample) -> Notes:
    """Processes without a row of their own."""
    lost = int(sample.layers["owner_insert_failures"].sum())
    if not lost:
        return ()
    note = (
        f"{lost:,} times there was no room for a process: what such processes exchange is in the "
        "row of their user and cgroup that has no pid"
    )
    return (note,)


def of_names(sample: Sample) -> Notes:
    """DNS messages that could not be read yet, and names that had to go."""
    why, lost = sample.dns.why_incomplete, sample.dns_losses.get("names_forgotten", 0)
    forgotten = f"{lost:,} names were forgotten, the longest unseen first"
    return (*((why,) if why else ()), *((forgotten,) if lost else ()))
