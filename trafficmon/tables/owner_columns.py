# SPDX-License-Identifier: MIT
"""The owners' columns of tables whose rows have an owner's id: flows, connections."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from trafficmon.filter.columns import FilterColumns
from trafficmon.model.groups import Records
from trafficmon.model.owners import Owners
from trafficmon.tables.column_lists import or_none
from trafficmon.tables.names import OwnerNames
from trafficmon.tables.table import Array, Record

FIELDS = ("uid", "user", "pid", "comm", "cgroup")


class OwnerColumns:
    """By row of ``ids``; all null where ``owners`` is None or an id is not known.

    Owners are few and rows many: names are put to rows when they are needed.
    """

    def __init__(self, owners: Owners | None, ids: Records, names: OwnerNames) -> None:
        self._names = names
        known = np.zeros(0, np.int64) if owners is None else owners.rows_of(ids)
        self._row = known if owners is not None else np.full(len(ids), -1, np.int64)
        self._records = owners.records if owners is not None else None

    def _of_owner(self, values: Any, missing: Any) -> Array:
        """A value by owner as a value by row."""
        every = np.append(values, np.array([missing], values.dtype))
        return np.asarray(every[self._row])

    def _numbers(self, field: str) -> Array:
        if self._records is None:
            return np.full(len(self._row), -1, np.int64)
        return self._of_owner(self._records[field].astype(np.int64), -1)

    @cached_property
    def uid(self) -> Array:
        """-1 for null."""
        return self._numbers("uid")

    @cached_property
    def pid(self) -> Array:
        """-1 for null."""
        numbers = self._numbers("pid")
        return np.where(numbers == 0, -1, numbers)

    def _texts(self, name_of: Any) -> Array:
        used = np.unique(self._row[self._row >= 0])
        count = 0 if self._records is None else len(self._records)
        texts = np.full(count + 1, None, object)
        for row in used.tolist():
            texts[row] = name_of(row)
        return np.asarray(texts[self._row])

    @cached_property
    def user(self) -> Array:
        """None for null."""
        return self._texts(self._names.user)

    @cached_property
    def comm(self) -> Array:
        """None for null."""
        return self._texts(self._names.comm)

    @cached_property
    def cgroup(self) -> Array:
        """Paths; None for null."""
        return self._texts(self._names.cgroup)

    def added_to(self, columns: FilterColumns) -> FilterColumns:
        """``columns``, and what expressions can say of owners."""
        return replace(
            columns,
            uid=self.uid,
            user=self.user,
            pid=self.pid,
            comm=self.comm,
            cgroup=self.cgroup,
        )

    def owner(self, row: int) -> Any:
        """OWNER of one row; None where it is not known."""
        place = int(self._row[row])
        return None if place < 0 or self._records is None else self._records[place]

    def lists(self) -> dict[str, list[Any]]:
        """FIELDS, by row, as records hold them."""
        return {
            "uid": or_none(self.uid),
            "user": self.user.tolist(),
            "pid": or_none(self.pid),
            "comm": self.comm.tolist(),
            "cgroup": self.cgroup.tolist(),
        }

    def record(self, row: int) -> Record:
        """One row's."""
        place, owner = int(self._row[row]), self.owner(row)
        if owner is None:
            return dict.fromkeys(FIELDS)
        return {
            "uid": int(owner["uid"]),
            "user": self._names.user(place),
            "pid": int(owner["pid"]) or None,
            "comm": self._names.comm(place),
            "cgroup": self._names.cgroup(place),
        }
