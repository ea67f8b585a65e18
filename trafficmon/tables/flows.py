# SPDX-License-Identifier: MIT
"""Flows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from trafficmon.filter.columns import FilterColumns
from trafficmon.layout import LAST_INTERFACE_NUMBER, FlowFlag
from trafficmon.model.flow_owners import owner_ids
from trafficmon.model.flows import COUNTS, Flows, with_ids_joined
from trafficmon.model.groups import Records, hash_words, words
from trafficmon.model.interfaces import interface_number
from trafficmon.model.parts import Part
from trafficmon.model.sample import Sample
from trafficmon.model.sockets import IPPROTO_TCP
from trafficmon.protocols import protocol_name
from trafficmon.records import host_order
from trafficmon.tables.addresses import without_zone
from trafficmon.tables.column_lists import AddressTexts, TimeColumn, or_none
from trafficmon.tables.gaps import of_flows
from trafficmon.tables.names import OwnerNames
from trafficmon.tables.owner_columns import OwnerColumns
from trafficmon.tables.table import Array, Record, Table, by_direction

FIELDS = (
    "interface",
    "protocol",
    "local_addr",
    "local_port",
    "remote_addr",
    "remote_port",
    "rx_packets",
    "rx_bytes",
    "tx_packets",
    "tx_bytes",
    "tcp_flags",
    "first_seen",
    "last_seen",
    "uid",
    "user",
    "pid",
    "comm",
    "cgroup",
    "rtt_us",
    "remote_name",
)
_CLOCK_SLACK_JIFFIES = 10_000
_FLAG_LETTERS = "FSRPAUEC"  # FIN SYN RST PSH ACK URG ECE CWR, as scapy and tshark write them


def _flag_text(flags: int) -> str:
    return "".join(letter for bit, letter in enumerate(_FLAG_LETTERS) if flags >> bit & 1)


_FLAG_TEXTS = np.array([*map(_flag_text, range(256)), None], object)
_NO_FLAGS = 256
_PROTOCOLS = np.array([protocol_name(number) for number in range(256)], object)


def interface_names(sample: Sample) -> Array:
    """Names by number."""
    names = np.full(LAST_INTERFACE_NUMBER + 1, None, dtype=object)
    for number, name in sample.interface_names.items():
        names[number] = name
    return names


def ports(column: Array, has_ports: Array) -> Array:
    """Ports in host order; -1 where there is none."""
    return np.where(has_ports, host_order(column).astype(np.int32), -1)


def flow_table(sample: Sample) -> Table:
    """All flows of all interfaces."""
    flows = _flows_by_interface(sample)
    keys, values = flows.keys, flows.values
    columns = _Columns(sample, keys, values)
    sort_keys: dict[str, Callable[[], Array]] = {
        name: partial(values.__getitem__, name) for name in COUNTS
    }
    sort_keys |= {
        "bytes": lambda: values["rx_bytes"] + values["tx_bytes"],
        "packets": lambda: values["rx_packets"] + values["tx_packets"],
        "first_seen": lambda: values["first_seen_jiffies"],
        "last_seen": lambda: columns.last_seen_jiffies,
        "local_port": lambda: columns.local_port,
        "remote_port": lambda: columns.remote_port,
        "protocol": lambda: _PROTOCOLS.astype(str)[keys["protocol"]],
        "interface": lambda: columns.interface.astype(str),
        "local_addr": lambda: _sortable(keys["local_addr"]),
        "remote_addr": lambda: _sortable(keys["remote_addr"]),
    }
    return Table(
        name="flows",
        fields=FIELDS,
        notes=of_flows(sample, flows.lost),
        length=len(keys),
        sort_keys=sort_keys,
        default_sort="bytes",
        record=columns.record,
        records=columns.records,
        filter_columns=columns.with_owners,
        identity=lambda: hash_words(words(keys)),
        rated=by_direction(sort_keys),
        read_at_s=sample.read_at_s.get(Part.FLOWS),
        epoch=sample.epoch,
    )


def _flows_by_interface(sample: Sample) -> Flows:
    """A flow is in one row, also where sums left its interface out for a time."""
    flows = sample.flows
    has_flows = np.bincount(flows.keys["interface_id"], minlength=2).astype(bool)
    both = has_flows[0 : len(has_flows) & ~1 : 2] & has_flows[1::2]
    return with_ids_joined(flows) if both.any() else flows


def whole_jiffies(low: Array, now: int) -> Array:
    """Jiffies out of their lower 32 bits: the last time before ``now`` that had these.

    A little after ``now`` is taken for now: the clocks are not read at the same moment.
    """
    age = (np.uint32(now & 0xFFFFFFFF) - low).astype(np.int64)
    age[age > 0xFFFFFFFF - _CLOCK_SLACK_JIFFIES] = 0
    return now - age


def _sortable(addresses: Array) -> Array:
    return np.ascontiguousarray(addresses).view("S16").reshape(-1)


class _Columns:
    """The flows' arrays, and their rows as records."""

    def __init__(self, sample: Sample, keys: Records, values: Records) -> None:
        self.keys, self.values = keys, values
        self.index, self.owners = sample.socket_index, sample.owners
        self.names, self.remote_names = (
            OwnerNames(sample.owners, sample.names),
            sample.remote_names,
        )
        self.seconds, self.addresses = sample.clock.seconds, AddressTexts()
        self.last_seen_jiffies = whole_jiffies(
            values["last_seen_jiffies_low"], sample.clock.jiffies
        )
        has_ports = (keys["flags"] & FlowFlag.PORTS) != 0
        self.is_ipv6 = (keys["flags"] & FlowFlag.IPV6) != 0
        self.local_port = ports(keys["local_port_be"], has_ports)
        self.remote_port = ports(keys["remote_port_be"], has_ports)
        self.interface = interface_names(sample)[interface_number(keys["interface_id"])]
        self.filter = FilterColumns(
            table="flows",
            length=len(keys),
            local_addr=keys["local_addr"],
            remote_addr=keys["remote_addr"],
            is_ipv6=self.is_ipv6,
            local_port=self.local_port,
            remote_port=self.remote_port,
            protocol=keys["protocol"],
            interface=self.interface,
            rx_packets=values["rx_packets"],
            tx_packets=values["tx_packets"],
        )

    def with_owners(self) -> FilterColumns:
        """What expressions can say of the flows."""
        ids = owner_ids(self.keys, self.values, self.index)
        return OwnerColumns(self.owners, ids, self.names).added_to(self.filter)

    def records(self, rows: Array) -> list[Record]:
        """Rows as the contract has them; of many each costs a tenth of what one alone does."""
        columns = self._columns(rows)
        values = zip(*(columns[name] for name in FIELDS), strict=True)
        return [dict(zip(FIELDS, row, strict=True)) for row in values]

    def _columns(self, rows: Array) -> dict[str, list[Any]]:
        keys, values = self.keys[rows], self.values[rows]
        interface, is_ipv6 = self.interface[rows].tolist(), self.is_ipv6[rows].tolist()
        first, last = (
            self._times(values["first_seen_jiffies"]),
            self._times(self.last_seen_jiffies[rows]),
        )
        remote = self.addresses.texts(keys["remote_addr"], is_ipv6, interface)
        owners = OwnerColumns(self.owners, owner_ids(keys, values, self.index), self.names)
        return {
            "interface": interface,
            "protocol": _PROTOCOLS[keys["protocol"]].tolist(),
            "local_addr": self.addresses.texts(keys["local_addr"], is_ipv6, interface),
            "local_port": or_none(self.local_port[rows]),
            "remote_addr": remote,
            "remote_port": or_none(self.remote_port[rows]),
            **{name: values[name].tolist() for name in COUNTS},
            "tcp_flags": _flags(keys["protocol"], values["tcp_flags"]),
            "first_seen": first.texts,
            "last_seen": last.texts,
            "rtt_us": self._rtt_us(keys),
            "remote_name": self._names(remote, first.seconds, owners),
            **owners.lists(),
        }

    def _rtt_us(self, keys: Records) -> list[int | None]:
        if self.index is None:
            return [None] * len(keys)
        return [us or None for us in self.index.find(keys)["srtt_us"].tolist()]

    def _names(
        self, remote: list[str], begins: list[float], owners: OwnerColumns
    ) -> list[str | None]:
        """Few addresses have one, and only of those the owner matters."""
        names = self.remote_names
        return [
            names.name(address, begin, owners.owner(row)) if address in names else None
            for row, (address, begin) in enumerate(
                zip(map(without_zone, remote), begins, strict=True)
            )
        ]

    def _times(self, jiffies: Array) -> TimeColumn:
        return TimeColumn(jiffies, self.seconds)

    def record(self, row: int) -> Record:
        return self.records(np.array([row]))[0]


def _flags(protocols: Array, seen: Array) -> list[str | None]:
    """Of TCP flows, by a table of all sets of flags."""
    sets = np.packbits(seen != 0, axis=1, bitorder="little").ravel().astype(np.int64)
    chosen = np.where(protocols == IPPROTO_TCP, sets, _NO_FLAGS)
    texts: list[str | None] = _FLAG_TEXTS[chosen].tolist()
    return texts
