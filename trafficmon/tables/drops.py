# SPDX-License-Identifier: MIT
"""Drops: what the kernel threw away, why and where, and whether anything is missing for it."""

from __future__ import annotations

import numpy as np

from trafficmon.errors import NotAttachedError
from trafficmon.filter.columns import FilterColumns
from trafficmon.layout import DropFact
from trafficmon.model.drop_kinds import HOUSEKEEPING, LOSS
from trafficmon.model.groups import Groups
from trafficmon.model.parts import Part
from trafficmon.model.sample import Sample
from trafficmon.tables.table import Record, Table, as_text

FIELDS = ("reason", "location", "packets", "bytes", "kind")
_BY_SOCKETS = ("socket_rcvbuff", "socket_backlog", "proto_mem", "queue_purge", "tcp_")
"""Prefixes of reasons for which a socket drops a packet that it has received: after tcp_filter() in
tcp_v4_rcv(), after sk_filter_trim_cap() in udp_queue_rcv_one_skb(), where cgroup_skb counts."""
_BEFORE_SOCKETS = ("tcp_csum", "tcp_auth_hdr", "tcp_md5", "tcp_ao", "tcp_minttl")
"""Of these, reasons of drops before the packet reaches the socket."""


def drop_table(sample: Sample) -> Table:
    """Losses, a row for each reason and function; the reason is null before Linux 5.17."""
    return _table(sample, (LOSS,))


def every_drop_table(sample: Sample) -> Table:
    """Losses and housekeeping: all that kfree_skb reported."""
    return _table(sample, (LOSS, HOUSEKEEPING))


def _table(sample: Sample, kinds: tuple[str, ...]) -> Table:
    if not sample.has_hook("drop"):
        raise NotAttachedError(
            "the drops layer is not attached; 'trafficmon attach --layer drops' adds it"
        )
    keys, values, names = sample.drops.keys, sample.drops.values, sample.drops.names
    kind = np.array([names.kind(key) for key in keys], "U12")
    chosen = np.isin(kind, kinds) & (values["packets"] != 0)
    keys, values, kind = keys[chosen], values[chosen], kind[chosen]
    columns = [keys["location"], keys["reason"].astype(np.uint64), (kind == LOSS).astype(np.uint64)]
    groups = Groups(np.stack(columns, axis=1))
    first, kind = keys[groups.first], kind[groups.first]
    packets, octets = groups.sum(values["packets"]), groups.sum(values["bytes"])
    reasons = [names.reason(int(number)) for number in first["reason"]]
    places = [names.location(int(address)) for address in first["location"]]

    def record(row: int) -> Record:
        return {
            "reason": reasons[row],
            "location": places[row],
            "packets": int(packets[row]),
            "bytes": int(octets[row]),
            "kind": str(kind[row]),
        }

    return Table(
        name="drops",
        fields=FIELDS,
        length=len(groups),
        sort_keys={
            "packets": lambda: packets,
            "bytes": lambda: octets,
            "reason": lambda: as_text([reason or "" for reason in reasons]),
            "location": lambda: as_text(places),
            "kind": lambda: kind,
        },
        default_sort="packets",
        record=record,
        filter_columns=lambda: FilterColumns(table="drops", length=len(groups)),
        identity=lambda: groups.hashes,
        rated={"both": lambda: octets},
        read_at_s=sample.read_at_s.get(Part.DROPS),
        epoch=sample.epoch,
    )


def lost_packets(sample: Sample) -> int:
    """All losses."""
    keys, values, names = sample.drops.keys, sample.drops.values, sample.drops.names
    return sum(
        int(value["packets"])
        for key, value in zip(keys, values, strict=True)
        if names.kind(key) == LOSS
    )


def drops_by_side(sample: Sample) -> tuple[int, int]:
    """Packets that were dropped between wire and sockets, and those that sockets dropped.

    With bytes that had arrived before, as the layers see these twice; without those that had
    no data to lose. Where the kernel has no reasons (before 5.17) all are among the first.
    """
    keys, values, names = sample.drops.keys, sample.drops.values, sample.drops.names
    has_data = (keys["facts"] & (DropFact.NO_DATA | DropFact.TIME_WAIT)) == 0
    keys, values = keys[has_data], values[has_data]
    by_socket = [_is_by_socket(names.reason(int(number))) for number in keys["reason"]]
    at_sockets = int(values["packets"][np.array(by_socket, bool)].sum())
    return int(values["packets"].sum()) - at_sockets, at_sockets


def _is_by_socket(reason: str | None) -> bool:
    return (
        reason is not None
        and reason.startswith(_BY_SOCKETS)
        and not reason.startswith(_BEFORE_SOCKETS)
    )
