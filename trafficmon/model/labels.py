# SPDX-License-Identifier: MIT
"""Names of processes and cgroups, as our programs have noted them: see bpf/owner/names.bpf.h."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from trafficmon.model.groups import Records
from trafficmon.records import text_of

LONGER = "…"
"""Ends what is longer than what was noted of it."""


class ProcessLabel(NamedTuple):
    """None: it was not to be read."""

    exe: str | None
    cmdline: str | None


class ProcessLabels(NamedTuple):
    """All that is noted of processes: ``ids`` of owners, ascending, and their ``records``."""

    ids: Records
    records: Records

    def of(self, owner_id: int) -> ProcessLabel | None:
        """What process an owner is, or was."""
        place = int(np.searchsorted(self.ids, np.uint64(owner_id)))
        if place == len(self.ids) or self.ids[place] != owner_id:
            return None
        return process_label(self.records[place])


def process_label(record: Records) -> ProcessLabel:
    """PROCESS as text."""
    arguments = bytes(record["arguments"]).rstrip(b"\0").replace(b"\0", b" ")
    room = record["arguments"].size - 1
    cmdline = arguments.decode(errors="surrogateescape") + (
        LONGER if len(arguments) >= room else ""
    )
    exe = path_of(record["exe"])
    return ProcessLabel(None if exe == "/" else exe, cmdline or None)


def path_of(parts: Records) -> str:
    """A path of its parts, the last of which is first; cut ones end in "…"."""
    names: list[str] = []
    room = parts.shape[1] - 1
    for part in parts:
        name = text_of(part)
        if not name:
            return "/" + "/".join(reversed(names))
        names.append(name + (LONGER if len(name.encode(errors="surrogateescape")) >= room else ""))
    return LONGER + "/" + "/".join(reversed(names))
