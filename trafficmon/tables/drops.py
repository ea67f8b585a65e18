# SPDX-License-Identifier: MIT
"""Drops: what the kernel threw away, why and where, and whether anything is missing for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from trafficmon.errors import NotAttachedError
from trafficmon.filter.columns import FilterColumns
from trafficmon.host.kernel_symbols import KernelSymbols, kernel_symbols
from trafficmon.layout import DropFact
from trafficmon.libbpf.features import kernel_enumerators
from trafficmon.model.drop_kinds import HOUSEKEEPING, LOSS, drop_kind
from trafficmon.model.groups import Groups
from trafficmon.reader.live import Live
from trafficmon.tables.table import Record, Table, as_text

FIELDS = ("reason", "location", "packets", "bytes", "kind")
_PREFIX = "SKB_DROP_REASON_"
_ADDRESS = 1 << 63
"""The kernel's half of the address space; numbers of noted places have the bit clear."""

_OTHERS = "other places"
_BY_SOCKETS = ("socket_rcvbuff", "socket_backlog", "proto_mem", "queue_purge", "tcp_")
"""Beginnings of reasons for which a socket drops what it was given: behind tcp_filter() in
tcp_v4_rcv(), behind sk_filter_trim_cap() in udp_queue_rcv_one_skb(), where cgroup_skb counts."""
_BEFORE_SOCKETS = ("tcp_csum", "tcp_auth_hdr", "tcp_md5", "tcp_ao", "tcp_minttl")
"""Of these those for which it is not even given it."""


def drop_table(live: Live) -> Table:
    """Losses, a row for each reason and function; the reason is null before Linux 5.17."""
    return _table(live, (LOSS,))


def every_drop_table(live: Live) -> Table:
    """Losses and housekeeping: all that kfree_skb told of."""
    return _table(live, (LOSS, HOUSEKEEPING))


def _table(live: Live, kinds: tuple[str, ...]) -> Table:
    if not live.has_hook("drop"):
        raise NotAttachedError(
            "the drops layer is not attached; 'trafficmon attach --layer drops' adds it"
        )
    keys, values = live.drops()
    names = DropNames(live.drop_place)
    kind = np.array([names.kind(key) for key in keys], "U12")
    wanted = np.isin(kind, kinds) & (values["packets"] != 0)
    keys, values, kind = keys[wanted], values[wanted], kind[wanted]
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
        read_at_s=live.read_at_s.get("drops"),
    )


def lost_packets(live: Live) -> int:
    """All losses."""
    keys, values = live.drops()
    names = DropNames(live.drop_place)
    return sum(
        int(value["packets"])
        for key, value in zip(keys, values, strict=True)
        if names.kind(key) == LOSS
    )


def drops_by_side(live: Live) -> tuple[int, int]:
    """Packets that were dropped between wire and sockets, and those that sockets dropped.

    With bytes that had arrived before, as the layers see these twice; without those that had
    nothing to be lost. Where the kernel tells no reasons (before 5.17) all are among the first.
    """
    keys, values = live.drops()
    has_data = (keys["facts"] & (DropFact.NO_DATA | DropFact.TIME_WAIT)) == 0
    keys, values = keys[has_data], values[has_data]
    names = DropNames(live.drop_place)
    by_socket = [_is_by_socket(names.reason(int(number))) for number in keys["reason"]]
    behind = int(values["packets"][np.array(by_socket, bool)].sum())
    return int(values["packets"].sum()) - behind, behind


def _is_by_socket(reason: str | None) -> bool:
    return (
        reason is not None
        and reason.startswith(_BY_SOCKETS)
        and not reason.startswith(_BEFORE_SOCKETS)
    )


class DropNames:
    """What the running kernel calls its reasons and places; asked for once, when wanted.

    ``place_of``: the name of a noted place (Live.drop_place).
    """

    def __init__(self, place_of: Callable[[int], str | None]) -> None:
        self._place_of = place_of
        self._places: dict[int, str] = {}

    @cached_property
    def _reasons(self) -> dict[int, str]:
        numbers = kernel_enumerators("skb_drop_reason")
        return {number: name for name, number in numbers.items()}

    @cached_property
    def _symbols(self) -> KernelSymbols:
        return kernel_symbols()

    def reason(self, number: int) -> str | None:
        """Of enum skb_drop_reason."""
        return reason_text(self._reasons, number)

    def location(self, number: int) -> str:
        """The function; of 0 those that the table has no room for."""
        if not number:
            return _OTHERS
        if number not in self._places:
            self._places[number] = self._name(number)
        return self._places[number]

    def _name(self, number: int) -> str:
        if number & _ADDRESS:
            return self._symbols.name(number)
        function, _, _module = (self._place_of(number) or "").partition(" ")
        return function or f"{number:#x}"

    def kind(self, drop: Any) -> str:
        """Of DROP_KEY: loss or housekeeping."""
        reason = self.reason(int(drop["reason"]))
        return drop_kind(reason, self.location(int(drop["location"])), int(drop["facts"]))

    def record(self, drop: Any) -> Record:
        """DROP_KEY in words."""
        return {
            "reason": self.reason(int(drop["reason"])),
            "location": self.location(int(drop["location"])),
            "kind": self.kind(drop),
        }


def reason_text(names: dict[int, str], number: int) -> str | None:
    """As the kernel calls it, in lower case and without the prefix that all have."""
    if not names:
        return None
    return names.get(number, str(number)).removeprefix(_PREFIX).lower()
