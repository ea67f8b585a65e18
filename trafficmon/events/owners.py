# SPDX-License-Identifier: MIT
"""Who: owners by id, one at a time, as events name them."""

from __future__ import annotations

import struct
from typing import Any

from trafficmon.errors import BpfError
from trafficmon.host.identities import Identities
from trafficmon.layout import OWNER
from trafficmon.reader.live import Live
from trafficmon.records import record_of
from trafficmon.tables.owned import FIELDS
from trafficmon.tables.table import Record

_KEPT = 4096


class OwnerLookup:
    """Remembers those asked for before."""

    def __init__(self, live: Live, identities: Identities) -> None:
        self._map, self._identities = live.map("owners"), identities
        self._noted_cgroup = live.labels.cgroup
        self._known: dict[int, Record] = {}

    def record(self, owner_id: int) -> Record:
        """uid, user, pid, comm, cgroup; all null where nobody is known."""
        if owner_id not in self._known:
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[owner_id] = self._ask(owner_id)
        return self._known[owner_id]

    def _ask(self, owner_id: int) -> Record:
        raw = self._look_up(owner_id) if owner_id else None
        if raw is None:
            return dict.fromkeys(FIELDS)
        owner: Any = record_of(raw, OWNER)
        return {
            "uid": int(owner["uid"]),
            "user": self._identities.users.name(int(owner["uid"])),
            "pid": int(owner["pid"]) or None,
            "comm": self._identities.comm(owner),
            "cgroup": self._identities.cgroup(int(owner["cgroup_id"]), self._noted_cgroup),
        }

    def _look_up(self, owner_id: int) -> bytes | None:
        try:
            return self._map.lookup(struct.pack("=Q", owner_id))
        except BpfError:  # detached meanwhile
            return None
