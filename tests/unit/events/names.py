# SPDX-License-Identifier: MIT
"""Raw records as kernels made them, what `events --json` said of each, and the names it needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from trafficmon.events.event import UNKNOWN_OWNER, Owner
from trafficmon.model.drops import DropNames

RECORDED: dict[str, Any] = json.loads(Path(__file__).with_name("recorded.json").read_text())
"""Of connections, handshakes, drops and DNS over both families, by the version that had no types
of events yet."""

OFFSET_NS: int = RECORDED["wall_minus_monotonic_ns"]


class RecordedNames:
    """As they were when the records were made."""

    def __init__(self) -> None:
        reasons = {number: name for name, number in RECORDED["drop_reasons"].items()}
        functions = {int(place): name for place, name in RECORDED["drop_places"].items()}
        self._drops = DropNames(reasons, functions)

    def owner(self, owner_id: int) -> Owner:
        names = RECORDED["owners"].get(str(owner_id))
        return Owner(**names) if names else UNKNOWN_OWNER

    def interface(self, interface_id: int) -> str | None:
        name: str | None = RECORDED["interfaces"].get(str(interface_id >> 1))
        return name

    def interface_at(self, ifindex: int) -> str | None:
        name: str | None = RECORDED["interfaces_by_ifindex"].get(str(ifindex))
        return name

    def drop(self, location: int, reason: int, facts: int) -> tuple[str | None, str, str]:
        why, where = self._drops.reason(reason), self._drops.location(location)
        kind = self._drops.kind({"reason": reason, "location": location, "facts": facts})
        return why, where, kind

    def remote_name(self, address: str, opened_s: float, owner_id: int) -> str | None:
        assert owner_id
        assert 1.7e9 < opened_s < 1.8e9
        return "peer.example.test" if address in ("10.0.1.1", "fd00:0:0:1::1") else None


def raw_events(type_: str | None = None) -> list[bytes]:
    """Records of the ring buffer `events`."""
    return [
        bytes.fromhex(one["raw"])
        for one in RECORDED["events"]
        if type_ in (None, one["record"]["type"])
    ]
