# SPDX-License-Identifier: MIT
"""Users, processes and cgroups: the owners' rows, put together by what they have in common.

So all three have the same sums, which are the cgroup layer's own totals.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from trafficmon.filter.columns import FilterColumns
from trafficmon.model.cgroup_names import name_of
from trafficmon.model.groups import Groups, Records
from trafficmon.model.owners import COUNTS
from trafficmon.model.parts import Part
from trafficmon.model.sample import Sample
from trafficmon.tables.gaps import of_processes
from trafficmon.tables.health import without_sockets
from trafficmon.tables.names import OwnerNames
from trafficmon.tables.table import Array, Record, Table, as_text, by_direction, object_column

COUNT_FIELDS = (*COUNTS, "connections")
USER_FIELDS = ("uid", "user", *COUNT_FIELDS)
PROCESS_FIELDS = ("pid", "comm", "exe", "uid", "user", "cgroup", *COUNT_FIELDS, "cmdline")
CGROUP_FIELDS = ("cgroup_id", "path", "unit", "container", *COUNT_FIELDS)
_APP = ("app_rx_bytes", "app_tx_bytes")


def user_table(sample: Sample) -> Table:
    """One row a user."""
    rows = _Rows(sample, "uid")
    uids = rows.first["uid"].astype(np.int64)
    users = [rows.names.user(row) for row in rows.places]

    def record(row: int) -> Record:
        return {"uid": int(uids[row]), "user": users[row], **rows.counts(row)}

    return rows.table(
        "users",
        USER_FIELDS,
        record,
        {"uid": lambda: uids, "user": lambda: as_text([user or "" for user in users])},
        FilterColumns(
            table="users", length=len(uids), uid=uids, user=object_column(users), **rows.packets
        ),
    )


def process_table(sample: Sample) -> Table:
    """One row a process; a reused pid is another process. Null: not known any more."""
    rows = _Rows(sample, "pid", "started_ns", "uid", "cgroup_id")
    first = rows.first
    pids, uids = first["pid"].astype(np.int64), first["uid"].astype(np.int64)
    names, noted = rows.names, sample.process_labels
    users = [names.user(row) for row in rows.places]
    groups = [names.cgroup(row) for row in rows.places]
    comms = [names.comm(row) for row in rows.places]

    def record(row: int) -> Record:
        pid = int(pids[row])
        known = names.process(rows.places[row], noted.of(int(rows.ids[row])))
        return {
            "pid": pid or None,
            "comm": comms[row],
            "exe": known.exe,
            "uid": int(uids[row]),
            "user": users[row],
            "cgroup": groups[row],
            **rows.counts(row),
            "cmdline": known.cmdline,
        }

    columns = FilterColumns(
        table="processes",
        length=len(pids),
        pid=np.where(pids == 0, -1, pids),
        uid=uids,
        user=object_column(users),
        comm=object_column(comms),
        cgroup=object_column(groups),
        **rows.packets,
    )
    sort_keys: dict[str, Callable[[], Array]] = {
        "pid": lambda: pids,
        "uid": lambda: uids,
        "comm": lambda: as_text([comm or "" for comm in comms]),
        "user": lambda: as_text([user or "" for user in users]),
        "cgroup": lambda: as_text([group or "" for group in groups]),
    }
    return rows.table("processes", PROCESS_FIELDS, record, sort_keys, columns)


def cgroup_table(sample: Sample) -> Table:
    """One row a cgroup; null: it was removed, and its path was not noted."""
    rows = _Rows(sample, "cgroup_id")
    numbers = rows.first["cgroup_id"]
    paths = [rows.names.cgroup(row) for row in rows.places]

    def record(row: int) -> Record:
        path = paths[row]
        said = name_of(path) if path else None
        return {
            "cgroup_id": int(numbers[row]),
            "path": path,
            "unit": said.unit if said else None,
            "container": said.container if said else None,
            **rows.counts(row),
        }

    return rows.table(
        "cgroups",
        CGROUP_FIELDS,
        record,
        {
            "cgroup_id": lambda: numbers,
            "path": lambda: as_text([path or "" for path in paths]),
        },
        FilterColumns(
            table="cgroups", length=len(paths), cgroup=object_column(paths), **rows.packets
        ),
    )


class _Rows:
    """Owners put together by ``fields``: ``first`` of each group, and the groups' sums.

    ``places``: where the first ones are among all owners, which is how ``names`` know them.
    """

    def __init__(self, sample: Sample, *fields: str) -> None:
        owners = sample.owners
        if owners is None:
            raise without_sockets(sample, "knows who")
        has_counts = _has_counts(owners.records)
        records = owners.records[has_counts]
        columns = [records[field].astype(np.uint64) for field in fields]
        self.groups = Groups(np.stack(columns, axis=1))
        self.first = records[self.groups.first]
        places = np.flatnonzero(has_counts)[self.groups.first]
        self.places, self.ids = places.tolist(), owners.ids[places]
        self.names = OwnerNames(owners, sample.names)
        self.sums = {name: self.groups.sum(records[name]) for name in COUNT_FIELDS}
        self.read_at_s, self.epoch = sample.read_at_s.get(Part.OWNERS), sample.epoch
        self.notes = of_processes(sample) if "pid" in fields else ()
        self.unknown = () if sample.has_layer("app") else _APP

    @property
    def packets(self) -> dict[str, Array]:
        """What a filter for a direction needs."""
        return {name: self.sums[name] for name in ("rx_packets", "tx_packets")}

    def counts(self, row: int) -> Record:
        """The counters of a row; what no layer counts is null."""
        return {
            name: None if name in self.unknown else int(self.sums[name][row])
            for name in COUNT_FIELDS
        }

    def table(
        self,
        name: str,
        fields: tuple[str, ...],
        record: Callable[[int], Record],
        more: dict[str, Callable[[], Array]],
        columns: FilterColumns,
    ) -> Table:
        """The table, sorted by bytes by default."""
        sums = self.sums
        sort_keys: dict[str, Callable[[], Array]] = {
            **{field: partial(sums.__getitem__, field) for field in COUNT_FIELDS},
            "bytes": lambda: sums["rx_bytes"] + sums["tx_bytes"],
            "packets": lambda: sums["rx_packets"] + sums["tx_packets"],
            **more,
        }
        return Table(
            name=name,
            fields=fields,
            notes=self.notes,
            length=len(self.groups),
            sort_keys=sort_keys,
            default_sort="bytes",
            record=record,
            filter_columns=lambda: columns,
            identity=lambda: self.groups.hashes,
            rated=by_direction(sort_keys),
            read_at_s=self.read_at_s,
            epoch=self.epoch,
        )


def _has_counts(records: Records) -> Array:
    """Owners without any traffic yet are left out."""
    moved = np.zeros(len(records), bool)
    for name in COUNT_FIELDS:
        moved |= records[name] != 0
    return moved
